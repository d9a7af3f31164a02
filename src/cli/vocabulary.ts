import { open } from 'node:fs/promises';
import { Command } from 'commander';
import { DataError } from '../core/errors';
import { trainBPE } from '../data/bpe';
import { openFastText } from '../data/fastText';
import { readGloVe, type WordVector } from '../data/glove';
import type { CaptionData, Split } from '../data/types';
import {
  byCount,
  captionLengths,
  countWords,
  type OutOfVocabulary,
  outOfVocabulary,
  type VocabularySize,
  vocabularySizes,
} from '../data/vocabularyReport';
import { readWord2Vec } from '../data/word2vec';
import { WordTokenizer } from '../data/wordTokenizer';
import { loadCaptionData } from '../node/captionData';
import { directory } from '../node/directory';
import { fileBytes, firstLine } from '../node/fileBytes';
import { wholeFrom } from './shared';

type VocabularyOptions = {
  dataPath: string;
  minCount: number;
  bpe?: number;
  wordVectors?: string;
  output?: string;
  show: number;
  json?: true;
};

/** What `data vocabulary --json` prints. */
export type VocabularyReport = {
  minCount: number;
  /** Different words in train, and all of them as often as they occur. */
  different: number;
  words: number;
  sizes: VocabularySize[];
  /** Words of train that are left out, the most frequent first. */
  rare: { word: string; count: number }[];
  splits: Record<Split, OutOfVocabulary>;
  /** Tokens of a caption in train. */
  lengths: { words: { mean: number; most: number }; bpe?: { mean: number; most: number; tokens: number } };
  /** Words of the vocabulary that have a vector. */
  wordVectors?: { found: number; missing: string[] };
};

const MIN_COUNTS = [1, 2, 3, 5, 10, 20];

/** `data vocabulary`: what a vocabulary knows of the captions of each split. */
export function vocabularyCommand(): Command {
  return new Command('vocabulary')
    .description('coverage, rare words, words of each split that a vocabulary does not know')
    .requiredOption('--data-path <folder>', 'folder with captions and pictures')
    .option('--min-count <number>', 'a word of the vocabulary occurs this often in train', wholeFrom(1), 5)
    .option('--bpe <number>', 'learn so many pieces of words too, and compare', wholeFrom(260))
    .option('--word-vectors <file>', 'GloVe, word2vec or fastText, text or binary: how many words have a vector')
    .option('--output <folder>', 'keep the tokenizer there: tokenizer.json with --bpe, else vocabulary.json')
    .option('--show <number>', 'words of each list that are shown', wholeFrom(0), 15)
    .option('--json', 'print JSON, with whole lists')
    .addHelpText(
      'after',
      `
Examples:
  $ tfjs-captioning data vocabulary --data-path flickr8k --min-count 3
  $ tfjs-captioning data vocabulary --data-path flickr8k --bpe 4000 --output tokenizer`,
    )
    .action(async (options: VocabularyOptions) => {
      const data = await loadCaptionData(options.dataPath);
      const report = await reportOn(data, options);
      process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : describe(report, options.show));
    });
}

async function reportOn(
  data: CaptionData,
  { minCount, bpe, wordVectors, output }: VocabularyOptions,
): Promise<VocabularyReport> {
  const { counts } = await countWords(data.train.captions());
  if (counts.size === 0) throw new DataError('The training captions hold no word. Are there any? See data check.');
  const known = new Set([...counts].filter(([, count]) => count >= minCount).map(([word]) => word));
  const rare = byCount(new Map([...counts].filter(([word]) => !known.has(word))));
  const of = (split: Split) => outOfVocabulary(data[split].captions(), known);
  const splits = { train: await of('train'), dev: await of('dev'), test: await of('test') };
  const tokenizer = await WordTokenizer.fromCaptions(data.train.captions(), { minCount });
  const pieces = bpe === undefined ? undefined : await trainBPE(data.train.captions(), { vocabSize: bpe });
  if (output !== undefined) {
    const files = pieces ? pieces.toJSON() : { 'vocabulary.json': tokenizer.toJSON() };
    for (const [name, content] of Object.entries(files))
      await directory(output).write(name, new TextEncoder().encode(`${JSON.stringify(content, null, 2)}\n`));
  }
  return {
    minCount,
    different: counts.size,
    words: [...counts.values()].reduce((sum, count) => sum + count, 0),
    sizes: vocabularySizes(
      counts,
      [...new Set([...MIN_COUNTS, minCount])].sort((a, b) => a - b),
    ),
    rare,
    splits,
    lengths: {
      words: await captionLengths(data.train.captions(), tokenizer),
      ...(pieces && {
        bpe: { ...(await captionLengths(data.train.captions(), pieces)), tokens: pieces.vocabSize },
      }),
    },
    ...(wordVectors !== undefined && { wordVectors: await vectorsFor([...known], wordVectors) }),
  };
}

/** Which words have a vector in a file, whose format is recognised by its beginning. */
async function vectorsFor(words: readonly string[], path: string): Promise<{ found: number; missing: string[] }> {
  const found = new Set<string>();
  const wanted = new Set(words);
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    const start = (await handle.read(new Uint8Array(4), 0, 4, 0)).buffer;
    if (new DataView(start.buffer).getUint32(0, true) === 793712314) {
      const model = await openFastText(async ({ start, end }) => {
        const { buffer } = await handle.read(new Uint8Array(end - start), 0, end - start, start);
        return buffer;
      }, size);
      const own = new Set(model.words);
      for (const word of words) if (own.has(word)) found.add(word);
    } else for await (const { word } of vectorsIn(path)) if (wanted.has(word)) found.add(word);
  } finally {
    await handle.close();
  }
  return { found: found.size, missing: words.filter((word) => !found.has(word)) };
}

/** The vectors of a file of GloVe, or of word2vec, text or binary. */
async function* vectorsIn(path: string): AsyncGenerator<WordVector> {
  const first = await firstLine(path);
  const [, header] = /^\d+ (\d+)\s*$/.exec(first) ?? [];
  const numbers = first.split(' ').length - 1;
  if (header === undefined) yield* readGloVe(fileBytes(path), numbers);
  else if (path.endsWith('.bin')) yield* readWord2Vec(fileBytes(path));
  else yield* readGloVe(fileBytes(path), Number(header));
}

const percent = (share: number) => `${(100 * share).toFixed(2)} %`;

function describe(report: VocabularyReport, show: number): string {
  const { minCount, different, words, sizes, rare, splits, lengths, wordVectors } = report;
  const list = (all: readonly { word: string; count: number }[]) =>
    all
      .slice(0, show)
      .map(({ word, count }) => `${word} (${count})`)
      .join(', ');
  const lines = [
    `${different} different words in train, ${words} in all.`,
    '',
    'min-count  words    of all words',
    ...sizes.map(
      ({ minCount, words, coverage }) =>
        `${String(minCount).padStart(9)}  ${String(words).padStart(5)}  ${percent(coverage).padStart(14)}`,
    ),
    '',
    `With words that occur ${minCount} times or more in train:`,
    'split  captions    words  unknown               captions with unknown',
    ...Object.entries(splits)
      .filter(([, { captions }]) => captions > 0)
      .map(([split, { captions, words, unknown, captionsWithUnknown }]) =>
        [
          split.padEnd(5),
          String(captions).padStart(9),
          String(words).padStart(8),
          `${unknown} (${percent(unknown / words)})`.padEnd(22),
          `${captionsWithUnknown} (${percent(captionsWithUnknown / captions)})`,
        ].join('  '),
      ),
    '',
    `Left out of train: ${rare.length} words${show > 0 && rare.length > 0 ? `, such as ${list(rare)}` : ''}.`,
    ...(['dev', 'test'] as const)
      .filter((split) => splits[split].unknownWords.length > 0 && show > 0)
      .map((split) => `Unknown in ${split}: ${list(splits[split].unknownWords)}.`),
    `A caption has ${lengths.words.mean.toFixed(2)} words, ${lengths.words.most} at most.`,
    ...(lengths.bpe
      ? [
          `In ${lengths.bpe.tokens} pieces of words it has ${lengths.bpe.mean.toFixed(2)} tokens, ${lengths.bpe.most} at most, and none is unknown.`,
        ]
      : []),
    ...(wordVectors
      ? [
          `${wordVectors.found} words of the vocabulary have a vector, ${wordVectors.missing.length} have none${show > 0 && wordVectors.missing.length > 0 ? `: ${wordVectors.missing.slice(0, show).join(', ')}` : ''}.`,
        ]
      : []),
  ];
  return `${lines.join('\n')}\n`;
}
