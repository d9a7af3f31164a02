import { Command } from 'commander';
import { DataError, UsageError } from '../core/errors';
import { type CleaningReport, cleanCaptions } from '../data/cleaning';
import { findLeaks } from '../data/leaks';
import { normaliseCaption } from '../data/normalise';
import type { CaptionData, Dataset, Split } from '../data/types';
import { WordTokenizer } from '../data/wordTokenizer';
import { loadCaptionData } from '../node/captionData';
import { checkPictures, type PictureFinding } from '../node/pictureChecks';
import { downloadCommand } from './dataDownload';
import { type DataOptions, loadOptions, rulesFor, withDataOptions } from './dataOptions';
import { type DataReport, describeReport, type SplitSummary, splitNames } from './dataReport';
import { Progress } from './progress';
import { wholeFrom } from './shared';

/** `data`: what a folder of caption data holds, and how to get its pictures. */
export function dataCommand(): Command {
  return new Command('data')
    .description('look at caption data, download its pictures')
    .addCommand(checkCommand())
    .addCommand(downloadCommand());
}

type CheckOptions = DataOptions & {
  dataPath: string;
  minCount: number;
  seed: number;
  pictures?: true;
  captions?: true;
  language?: string[];
  leaks?: true;
  json?: true;
};

/** `data check`: what was recognised, counts, and every row and picture that cannot be used. */
function checkCommand(): Command {
  return withDataOptions(
    new Command('check')
      .description('say what was recognised in a folder, its counts, and every row that cannot be used, by name')
      .requiredOption('--data-path <folder>', 'folder with captions and pictures'),
  )
    .option('--min-count <number>', 'count the vocabulary with words that occur this often', wholeFrom(0), 5)
    .option('--seed <number>', 'seed of the splits where they are drawn', wholeFrom(0), 0)
    .option('--pictures', 'open every picture: unreadable, tiny, narrow, misnamed or doubled ones')
    .option('--captions', 'say which captions cleaning would leave out, and why; nothing is changed')
    .option('--language <codes...>', 'with --captions: languages that may stay, such as en')
    .option('--leaks', 'open every picture and say which are in two splits')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ tfjs-captioning data check --data-path flickr8k
  $ tfjs-captioning data check --data-path flickr8k --pictures --captions --leaks --json > report.json`,
    )
    .action(async (options: CheckOptions) => {
      const report = await checkData(options);
      process.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : describeReport(report));
    });
}

async function checkData(options: CheckOptions): Promise<DataReport> {
  const { dataPath, minCount, seed } = options;
  if (options.language && !options.captions)
    throw new UsageError('--language says which captions --captions would leave. Give --captions too.');
  const data = await loadCaptionData(dataPath, { seed, ...loadOptions(options) });
  const splits = await bySplit((split) => summarise(data[split]));
  const pictures = options.pictures ? await checkAllPictures(data) : undefined;
  const unreadable = pictures?.filter(({ kind }) => kind === 'unreadable') ?? [];
  const cleaning = options.captions ? await checkCaptions(data, options.language) : undefined;
  const leaks = options.leaks ? await checkLeaks(data) : undefined;
  return {
    layout: data.layout,
    splitSource: data.splitSource,
    found: data.found,
    splits,
    vocabulary: await countVocabulary(data.train, minCount),
    ...(pictures && {
      picturesDecoded: data.train.size + data.dev.size + data.test.size,
      pictures: pictures.filter(({ kind }) => kind !== 'unreadable'),
    }),
    ...(cleaning && { cleaning }),
    ...(leaks && { leaks }),
    problems: [...data.problems, ...unreadable.map(({ id, why }) => ({ where: id, problem: why }))],
  };
}

async function bySplit<T>(of: (split: Split) => Promise<T>): Promise<Record<Split, T>> {
  return { train: await of('train'), dev: await of('dev'), test: await of('test') };
}

async function summarise(dataset: Dataset): Promise<SplitSummary> {
  let [captions, words] = [0, 0];
  let [least, most] = [Infinity, 0];
  for await (const example of dataset) {
    captions += example.captions.length;
    for (const caption of example.captions) words += normaliseCaption(caption).split(' ').filter(Boolean).length;
    least = Math.min(least, example.captions.length);
    most = Math.max(most, example.captions.length);
  }
  const pictures = dataset.size;
  const captionsPerPicture = pictures === 0 ? { least: 0, mean: 0, most } : { least, mean: captions / pictures, most };
  return { pictures, captions, words, captionsPerPicture };
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
  return { minCount, size: tokenizer.vocabSize, known: words === 0 ? 0 : known / words };
}

async function checkAllPictures(data: CaptionData): Promise<PictureFinding[]> {
  const progress = new Progress();
  const findings: PictureFinding[] = [];
  for (const split of splitNames)
    findings.push(
      ...(await checkPictures(data[split], {
        onProgress: (done, total) => progress.show(`opened ${done} of ${total} pictures of ${split}`),
      })),
    );
  progress.end();
  return findings;
}

/** Each split by itself: what is on many pictures of one may be on few of another. */
async function checkCaptions(
  data: CaptionData,
  languages: string[] | undefined,
): Promise<Record<Split, CleaningReport>> {
  return bySplit(async (split) => (await cleanCaptions(data[split], await rulesFor(data, languages))).report);
}

async function checkLeaks({ train, dev, test }: CaptionData): Promise<DataReport['leaks']> {
  const progress = new Progress();
  const onProgress = (done: number, total: number) => progress.show(`compared ${done} of ${total} pictures`);
  const { leaks } = await findLeaks({ train, dev, test }, { onProgress });
  progress.end();
  return leaks;
}
