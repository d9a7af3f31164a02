/*
 * What every way to search says of the development pictures, and how long it takes: the tables and the plot of
 * docs/decoding-comparison.md.
 *
 *   npx tsx scripts/compare-decoding.ts --data-path ../shared/data/flickr8k \
 *     --model self-critical=models/flickr8k --model cross-entropy=runs/cross-entropy --output docs
 *
 * Every picture goes through a model's encoder once; searches then work on the same features, batch by batch and one after the
 * other, so that they are timed under the same conditions. Scores are those of `evaluate`. TFJS_CAPTIONING_BACKEND chooses
 * the backend.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { AttentionLSTMCaptioner } from '../src/attentionLSTMCaptioner';
import { type Caption, captionFeatures, encodeImages } from '../src/captioner';
import { describeBackend, startBackend } from '../src/cli/shared';
import type { Dataset } from '../src/data/types';
import { beam } from '../src/decoders/search/beam';
import { greedy } from '../src/decoders/search/greedy';
import { sample } from '../src/decoders/search/sample';
import type { Search } from '../src/decoders/search/types';
import { diversity, scoreCaptions, tokenizeCaption } from '../src/metrics';
import { loadCaptionData } from '../src/node/captionData';
import { directory } from '../src/node/directory';
import { fitScaling, type Judged, reliability } from '../src/training/calibrate';
import { type Calibrated, reliabilityPlot } from './reliabilityPlot';

const BATCH = 16;
const BEGIN = '<!-- begin: npx tsx scripts/compare-decoding.ts -->';
const END = '<!-- end -->';

/** Those that give five captions of a picture have a row in the second table, too. */
const SEARCHES: Record<string, Search> = {
  greedy: greedy(),
  'beam 3': beam({ beamSize: 3, lengthPenalty: 0.9 }),
  'beam 5': beam({ beamSize: 5, lengthPenalty: 0.9 }),
  'diverse, 5 groups of 1': beam({ beamSize: 5, groups: 5, diversityPenalty: 0.5, lengthPenalty: 0.9 }),
  '5 samples': sample({ samples: 5, seed: 1 }),
  '5 samples, temperature 0.5': sample({ samples: 5, temperature: 0.5, seed: 1 }),
  '5 samples, top-p 0.9': sample({ samples: 5, topP: 0.9, seed: 1 }),
};

const { values } = parseArgs({
  options: {
    'data-path': { type: 'string', default: '../shared/data/flickr8k' },
    split: { type: 'string', default: 'dev' },
    model: { type: 'string', multiple: true, default: ['shipped=models/flickr8k'] },
    limit: { type: 'string' },
    output: { type: 'string' },
  },
});

const backend = describeBackend(await startBackend());
const data = await loadCaptionData(values['data-path']);
const split = data[values.split as 'dev' | 'test'];
const count = Math.min(split.size, Number(values.limit ?? split.size));
const quality: string[] = [];
const variety: string[] = [];
const plots: Calibrated[] = [];
for (const model of values.model) {
  const [name, folder] = model.split('=') as [string, string];
  const captioner = await AttentionLSTMCaptioner.load(directory(folder));
  const { said, encoding } = await captionAll(captioner, split);
  for (const [search, { captions, ms }] of said) {
    quality.push(await qualityRow(name, search, captions, ms));
    if (captions[0]!.alternatives?.length === 4) variety.push(await varietyRow(name, search, captions));
  }
  process.stderr.write(`${name}: the encoder took ${(encoding / count).toFixed(1)} ms per picture\n`);
  plots.push({ name, ...(await calibrated(captioner, said.get('greedy')!.captions)) });
  captioner.dispose();
}

const report = [
  `${count} pictures of the ${values.split} split, ${BATCH} at a time, on ${backend}; ${cpus().length} cores of ${cpus()[0]!.model}. Milliseconds are per picture, without the encoder.`,
  '',
  '| captioner | search | BLEU-4 | METEOR | ROUGE-L | CIDEr | words per caption | different words | ms |',
  '|---|---|---|---|---|---|---|---|---|',
  ...quality,
  '',
  'Five captions of each picture:',
  '',
  '| captioner | search | best CIDEr | mean CIDEr | self-CIDEr | mBLEU-4 | Div-2 |',
  '|---|---|---|---|---|---|---|',
  ...variety,
  '',
  'Whether a word occurs in one of the five true captions, against the confidence that the captioner had in it (greedy):',
  '',
  '| captioner | expected calibration error | temperature | bias | expected calibration error then |',
  '|---|---|---|---|---|',
  ...plots.map(
    ({ name, before, after, temperature, bias }) =>
      `| ${name} | ${before.expectedCalibrationError.toFixed(3)} | ${temperature.toFixed(2)} | ${bias.toFixed(2)} | ${after.expectedCalibrationError.toFixed(3)} |`,
  ),
].join('\n');
if (values.output) {
  const page = join(values.output, 'decoding-comparison.md');
  const text = await readFile(page, 'utf8');
  const [start, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (start < 0 || end < start) throw new Error(`${page} has no place for the tables: ${BEGIN} … ${END}`);
  await writeFile(page, `${text.slice(0, start)}${BEGIN}\n${report}\n${text.slice(end)}`);
  await writeFile(join(values.output, 'reliability.svg'), reliabilityPlot(plots));
}
console.log(report);

type Said = { captions: Caption[]; ms: number };

/** Captions of all pictures by every search, and how long the encoder and each search took in all. */
async function captionAll(
  captioner: AttentionLSTMCaptioner,
  pictures: Dataset,
): Promise<{ said: Map<string, Said>; encoding: number }> {
  const said = new Map(Object.keys(SEARCHES).map((name): [string, Said] => [name, { captions: [], ms: 0 }]));
  let encoding = 0;
  for (let start = 0; start < count; start += BATCH) {
    const here = Array.from({ length: Math.min(BATCH, count - start) }, (_, i) => pictures.at(start + i));
    const images = await Promise.all((await Promise.all(here)).map((example) => example.image()));
    const began = performance.now();
    const features = await encodeImages(captioner.encoder, images);
    await features.data();
    encoding += performance.now() - began;
    for (const [name, search] of Object.entries(SEARCHES)) {
      const one = said.get(name)!;
      const began = performance.now();
      one.captions.push(...(await captionFeatures(captioner, features, { search })));
      one.ms += performance.now() - began;
    }
    features.dispose();
    process.stderr.write(`\r${Math.min(start + BATCH, count)} of ${count}`);
  }
  process.stderr.write('\n');
  return { said, encoding };
}

async function referencesOf(index: number): Promise<{ id: string; references: string[] }> {
  const { id, captions } = await split.at(index);
  return { id, references: captions };
}

async function scoresOf(texts: readonly string[]) {
  const rows = texts.map(async (candidate, i) => ({ ...(await referencesOf(i)), candidate }));
  return scoreCaptions(await Promise.all(rows), { metrics: ['bleu', 'meteor', 'rougeL', 'cider'] });
}

async function qualityRow(model: string, search: string, captions: Caption[], ms: number): Promise<string> {
  const { corpus } = await scoresOf(captions.map(({ text }) => text));
  const words = captions.flatMap((caption) => caption.words);
  const scores = ['BLEU-4', 'METEOR', 'ROUGE-L', 'CIDEr'].map((name) => corpus[name]!.toFixed(3));
  const counts = [(words.length / captions.length).toFixed(1), new Set(words).size, (ms / captions.length).toFixed(1)];
  return `| ${[model, search, ...scores, ...counts].join(' | ')} |`;
}

/** Each picture's captions, best first, as often as the search gives them. */
async function varietyRow(model: string, search: string, captions: Caption[]): Promise<string> {
  const texts = captions.map(({ text, alternatives = [] }) => [text, ...alternatives.map((other) => other.text)]);
  const ranks = Math.max(...texts.map((each) => each.length));
  const cider: number[][] = [];
  for (let rank = 0; rank < ranks; rank++) {
    const { segments } = await scoresOf(texts.map((each) => each[rank] ?? each.at(-1)!));
    cider.push(segments.map((segment) => segment.CIDEr as number));
  }
  const average = (valuesOf: (picture: number) => number) =>
    captions.reduce((sum, _, i) => sum + valuesOf(i), 0) / captions.length;
  const sets = diversity();
  for (const each of texts) sets.update(each.map(tokenizeCaption));
  const { corpus } = sets.compute();
  const figures = [
    average((i) => Math.max(...cider.map((scores) => scores[i]!))),
    average((i) => cider.reduce((sum, scores) => sum + scores[i]!, 0) / ranks),
    corpus['Self-CIDEr'],
    corpus['mBLEU-4'],
    corpus['Div-2'],
  ];
  return `| ${[model, search, ...figures.map((value) => value.toFixed(3))].join(' | ')} |`;
}

/** How far the confidence in words can be trusted, as it is and after scaling. */
async function calibrated({ tokenizer }: AttentionLSTMCaptioner, captions: Caption[]) {
  const judged: Judged[] = [];
  for (const [i, { words, logProbs }] of captions.entries()) {
    const { references } = await referencesOf(i);
    const known = new Set(references.flatMap((each) => tokenizer.words(tokenizer.encode(each))));
    for (const [place, word] of words.entries()) judged.push({ logProb: logProbs[place]!, correct: known.has(word) });
  }
  const scaling = fitScaling(judged);
  return { ...scaling, before: reliability(judged), after: reliability(judged, scaling) };
}
