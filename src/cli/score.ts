import { Command, Option } from 'commander';
import { DataError, UsageError } from '../core/errors';
import {
  type CaptionScores,
  type MetricName,
  type ScoredCaption,
  type ScoreOptions,
  ScoringError,
  scoreCaptions,
} from '../metrics/index';
import { Progress } from './progress';
import { readPredictions, readReferences } from './scoreFiles';
import { abortOnInterrupt, expectFolderOf, writeOutput } from './shared';

const METRICS: readonly MetricName[] = ['bleu', 'meteor', 'rougeL', 'cider', 'ciderOriginal'];

/** `score`: captions out of a file against the references of the same images. */
export function scoreCommand(): Command {
  return new Command('score')
    .description('score captions against references with BLEU, METEOR, ROUGE-L and CIDEr, as pycocoevalcap does')
    .requiredOption(
      '--predictions <file>',
      'JSON [{ "image_id": 42, "caption": "a dog runs" }, ...], one per image, or JSONL with such a line per image',
    )
    .requiredOption(
      '--references <file>',
      'JSON in the form of COCO captions, { "annotations": [{ image_id, caption }, ...] }, or JSONL with "caption" or "captions" of an image per line',
    )
    .addOption(new Option('--metrics <names...>', 'only these').choices(METRICS))
    .option('--split <name>', 'which pictures these are; is written into the result')
    .option('--partial', 'score the images that have both, and say how many were left out, instead of stopping')
    .option('--details', "show every image's scores, and write the counts behind them")
    .option('--output <file>', 'write everything as JSON')
    .option('--json', 'print JSON instead of the table')
    .addHelpText(
      'after',
      `
Examples:
  $ tfjs-captioning score --predictions results.json --references captions_val2017.json
  $ tfjs-captioning score --predictions results.jsonl --references captions.jsonl --metrics cider bleu
  $ tfjs-captioning score --predictions results.json --references captions_val2017.json --output scores.json --details`,
    )
    .action(runScore);
}

type Options = {
  predictions: string;
  references: string;
  metrics?: MetricName[];
  split?: string;
  partial?: true;
  details?: true;
  output?: string;
  json?: true;
};

async function runScore({ predictions, references, output, json, details, ...options }: Options): Promise<void> {
  if (output !== undefined) expectFolderOf(output);
  const captions = pair(await readPredictions(predictions), await readReferences(references), {
    partial: options.partial === true,
    predictions,
    references,
  });
  const scores = await score(captions, {
    ...(options.metrics && { metrics: options.metrics }),
    ...(options.split !== undefined && { split: options.split }),
    details: details === true,
  });
  const text = `${JSON.stringify({ predictions, references, ...scores }, null, 2)}\n`;
  if (output !== undefined) await writeOutput(output, text);
  process.stdout.write(json ? text : describe(scores, details === true));
}

async function score(captions: ScoredCaption[], options: ScoreOptions): Promise<CaptionScores> {
  const progress = new Progress();
  const { signal } = abortOnInterrupt('Stopping.');
  const onProgress = (done: number, total: number) => progress.show(`${Math.floor((100 * done) / total)} % scored`);
  try {
    return await scoreCaptions(captions, { ...options, signal, onProgress });
  } catch (error) {
    throw error instanceof ScoringError ? new DataError(error.message) : error;
  } finally {
    progress.end();
  }
}

/** In the order of the predictions. */
function pair(
  predictions: ReadonlyMap<string, { id: string | number; caption: string }>,
  references: ReadonlyMap<string, string[]>,
  { partial, ...files }: { partial: boolean; predictions: string; references: string },
): ScoredCaption[] {
  const unreferenced = [...predictions.keys()].filter((key) => !references.has(key));
  const unpredicted = [...references.keys()].filter((key) => !predictions.has(key));
  const problems = [
    ...problem(unreferenced, `of ${files.predictions}`, `no references in ${files.references}`),
    ...problem(unpredicted, `of ${files.references}`, `no caption in ${files.predictions}`),
  ];
  if (problems.length > 0 && !partial)
    throw new DataError(`${problems.join('\n')}\nAre both of the same split? With --partial the others are scored.`);
  for (const line of problems) process.stderr.write(`Warning: left out: ${line}\n`);
  const captions = [...predictions].flatMap(([key, { id, caption }]) => {
    const written = references.get(key);
    return written ? [{ id, candidate: caption, references: written }] : [];
  });
  if (captions.length === 0)
    throw new UsageError(`${files.predictions} and ${files.references} have no image in common: nothing to score.`);
  return captions;
}

function problem(ids: readonly string[], which: string, what: string): string[] {
  if (ids.length === 0) return [];
  const named = ids.slice(0, 10).join(', ') + (ids.length > 10 ? `, ... and ${ids.length - 10} more` : '');
  return [
    ids.length === 1 ? `Image ${named} ${which} has ${what}.` : `${ids.length} images ${which} have ${what}: ${named}.`,
  ];
}

function describe({ corpus, segments, omitted, settings }: CaptionScores, details: boolean): string {
  const names = Object.keys(corpus);
  const number = (value: unknown) => (value as number).toFixed(4);
  const corpusRows = names.map((name) => [name, number(corpus[name])]);
  const segmentRows = segments.map((segment) => [`${segment.id}`, ...names.map((name) => number(segment[name]))]);
  return [
    `${settings.captions} captions, scored like ${settings.reproduces} by ${settings.version}`,
    '',
    ...table(corpusRows),
    '',
    ...(details ? [...table([['image', ...names], ...segmentRows]), ''] : []),
    `Split: ${settings.split}.`,
    `Scale: ${settings.scale}.`,
    `Tokenizer: ${settings.tokenizer}.`,
    `Document frequencies of CIDEr: ${settings.documentFrequencies}.`,
    ...Object.values(omitted),
    '',
  ].join('\n');
}

/** Lines with the columns aligned, the first to the left and numbers to the right. */
function table(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
  );
}
