import { Command, InvalidArgumentError } from 'commander';
import { DataError } from '../core/errors';
import { ahead } from '../data/streams';
import type { CaptionData, Dataset, Problem, Split } from '../data/types';
import { WordTokenizer } from '../data/wordTokenizer';
import { loadCaptionData } from '../node/captionData';

const splitNames: readonly Split[] = ['train', 'dev', 'test'];

type SplitSummary = {
  pictures: number;
  captions: number;
  captionsPerPicture: { least: number; mean: number; most: number };
};

/** What `data check --json` prints. */
export type DataReport = {
  layout: string;
  splitSource: CaptionData['splitSource'];
  splits: Record<Split, SplitSummary>;
  /** `size` includes the special tokens; `known` is the share of the training captions' words that it holds. */
  vocabulary: { minCount: number; size: number; known: number };
  /** How many pictures were decoded; absent where that was not asked for. */
  picturesDecoded?: number;
  problems: readonly Problem[];
};

/** `data check`: what a folder of caption data holds, and every row and picture in it that cannot be used. */
export function dataCommand(): Command {
  const data = new Command('data').description('look at caption data');
  data
    .command('check')
    .description('say what was recognised in a folder, its counts, and every row that cannot be used, by name')
    .requiredOption('--data-path <folder>', 'folder with captions and pictures')
    .option('--min-count <number>', 'count the vocabulary with words that occur this often', wholeNumber, 5)
    .option('--seed <number>', 'seed of the splits where the folder has no split files', wholeNumber, 0)
    .option('--pictures', 'decode every picture too')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ tfjs-captioning data check --data-path flickr8k
  $ tfjs-captioning data check --data-path flickr8k --pictures --json > report.json`,
    )
    .action(async ({ dataPath, minCount, seed, pictures, json }: CheckOptions) => {
      const report = await checkData(dataPath, { minCount, seed, pictures: pictures === true });
      process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : describe(report));
    });
  return data;
}

type CheckOptions = { dataPath: string; minCount: number; seed: number; pictures?: true; json?: true };

async function checkData(
  path: string,
  { minCount, seed, pictures }: { minCount: number; seed: number; pictures: boolean },
): Promise<DataReport> {
  const data = await loadCaptionData(path, { seed });
  const [train, dev, test] = await Promise.all(splitNames.map((split) => summarise(data[split])));
  const undecoded = pictures ? await decodeAll(data) : [];
  return {
    layout: data.layout,
    splitSource: data.splitSource,
    splits: { train: train!, dev: dev!, test: test! },
    vocabulary: await countVocabulary(data.train, minCount),
    ...(pictures && { picturesDecoded: data.train.size + data.dev.size + data.test.size }),
    problems: [...data.problems, ...undecoded],
  };
}

async function summarise(dataset: Dataset): Promise<SplitSummary> {
  let captions = 0;
  let [least, most] = [Infinity, 0];
  for await (const example of dataset) {
    captions += example.captions.length;
    least = Math.min(least, example.captions.length);
    most = Math.max(most, example.captions.length);
  }
  const pictures = dataset.size;
  const captionsPerPicture = pictures === 0 ? { least: 0, mean: 0, most } : { least, mean: captions / pictures, most };
  return { pictures, captions, captionsPerPicture };
}

async function countVocabulary(train: Dataset, minCount: number): Promise<DataReport['vocabulary']> {
  let tokenizer: WordTokenizer;
  try {
    tokenizer = await WordTokenizer.fromCaptions(train.captions(), { minCount });
  } catch (error) {
    // Too few captions for any word to be frequent: worth saying, no reason to stop.
    if (error instanceof DataError) return { minCount, size: 0, known: 0 };
    throw error;
  }
  let [known, words] = [0, 0];
  for await (const caption of train.captions())
    for (const id of tokenizer.encode(caption)) {
      words++;
      if (id !== tokenizer.unknownId) known++;
    }
  return { minCount, size: tokenizer.vocabSize, known: known / words };
}

async function decodeAll(data: CaptionData): Promise<Problem[]> {
  const problems: Problem[] = [];
  const total = data.train.size + data.dev.size + data.test.size;
  let done = 0;
  for (const split of splitNames) {
    const decoded = ahead(data[split], 8, async ({ id, image }) => {
      try {
        await image();
        return undefined;
      } catch (error) {
        return { where: id, problem: (error as Error).message };
      }
    });
    for await (const problem of decoded) {
      if (problem) problems.push(problem);
      done++;
      if (process.stderr.isTTY ? done % 20 === 0 || done === total : done % 1000 === 0)
        process.stderr.write(`decoded ${done} of ${total} pictures${process.stderr.isTTY ? '\r' : '\n'}`);
    }
  }
  if (process.stderr.isTTY) process.stderr.write('\n');
  return problems;
}

function describe(report: DataReport): string {
  const { layout, splitSource, splits, vocabulary, picturesDecoded, problems } = report;
  const perPicture = ({ least, mean, most }: SplitSummary['captionsPerPicture']) =>
    least === most ? `${least}` : `${least} to ${most}, mean ${mean.toFixed(2)}`;
  const rows = [
    ['split', 'pictures', 'captions', 'captions per picture'],
    ...splitNames.map((split) => {
      const { pictures, captions, captionsPerPicture } = splits[split];
      return [split, `${pictures}`, `${captions}`, perPicture(captionsPerPicture)];
    }),
  ];
  const known = (100 * vocabulary.known).toFixed(1);
  return [
    `Recognised ${layout}; ${splitSource === 'files' ? 'splits from its split files' : 'no split files, split by seed'}.`,
    '',
    ...table(rows),
    '',
    vocabulary.size === 0
      ? `Vocabulary: no word occurs ${vocabulary.minCount} times in train.`
      : `Vocabulary: ${vocabulary.size} entries (words that occur ${vocabulary.minCount} times or more in train, ` +
        `${known} % of its words, and the special ones).`,
    ...(picturesDecoded === undefined ? [] : [`Decoded ${picturesDecoded} pictures.`]),
    problems.length === 0 ? 'No problems.' : `${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}:`,
    ...table(problems.map(({ where, problem }) => [`  ${where}`, problem])),
    '',
  ].join('\n');
}

/** Lines with the columns aligned. */
function table(rows: readonly string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError('It should be a whole number.');
}
