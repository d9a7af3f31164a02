import { Command } from 'commander';
import { DataError, UsageError } from '../core/errors';
import { type CaptionScores, type ScoredCaption, ScoringError, scoreCaptions } from '../metrics/index';
import { readPredictions, readReferences } from './scoreFiles';
import { writeOutput } from './shared';

/** `score`: captions out of a file against the references of the same images. */
export function scoreCommand(): Command {
  return new Command('score')
    .description('score captions against references with BLEU, ROUGE-L and CIDEr, as pycocoevalcap does')
    .requiredOption('--predictions <file>', 'JSON: [{ "image_id": 42, "caption": "a dog runs" }, ...], one per image')
    .requiredOption(
      '--references <file>',
      'JSON in the form of COCO captions: { "annotations": [{ image_id, caption }, ...] }',
    )
    .option('--partial', 'score the images that have both, and say how many were left out, instead of stopping')
    .option('--details', "show every image's scores, and write the counts behind them")
    .option('--output <file>', 'write everything as JSON')
    .option('--json', 'print JSON instead of the table')
    .addHelpText(
      'after',
      `
Examples:
  $ tfjs-captioning score --predictions results.json --references captions_val2017.json
  $ tfjs-captioning score --predictions results.json --references captions_val2017.json --output scores.json --details`,
    )
    .action(async ({ predictions, references, partial, details, output, json }: Options) => {
      const captions = pair(await readPredictions(predictions), await readReferences(references), {
        partial: partial === true,
        predictions,
        references,
      });
      const scores = await score(captions, details === true);
      const text = `${JSON.stringify(scores, null, 2)}\n`;
      if (output !== undefined) await writeOutput(output, text);
      process.stdout.write(json ? text : describe(scores, details === true));
    });
}

type Options = {
  predictions: string;
  references: string;
  partial?: true;
  details?: true;
  output?: string;
  json?: true;
};

async function score(captions: ScoredCaption[], details: boolean): Promise<CaptionScores> {
  try {
    return await scoreCaptions(captions, { details });
  } catch (error) {
    throw error instanceof ScoringError ? new DataError(error.message) : error;
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
    `${settings.captions} captions, scored like ${settings.reproduces}`,
    '',
    ...table(corpusRows),
    '',
    ...(details ? [...table([['image', ...names], ...segmentRows]), ''] : []),
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
