import { Command, Option } from 'commander';
import type { Captioner } from '../captioner';
import { DataError, UsageError } from '../core/errors';
import type { Dataset, Split } from '../data/types';
import { loadCaptioner } from '../loadCaptioner';
import { loadCaptionData } from '../node/captionData';
import { directory } from '../node/directory';
import { pictureThreads } from '../node/pictureThreads';
import { evaluate } from '../training/evaluate';
import { type DataOptions, downloadsOption, layoutOption, loadOptions, splitSharesOption } from './dataOptions';
import { evaluateDualEncoder, expectRetrievalOptions, isDualEncoder, retrievalTable } from './evaluateDualEncoder';
import { countKnown } from './metadataOptions';
import { Progress } from './progress';
import { addSearchOptions, type SearchOptions, searchOf } from './searchOptions';
import { abortOnInterrupt, expectFolderOf, shippedModel, startBackend, wholeFrom, writeOutput } from './shared';

type EvaluateOptions = SearchOptions &
  DataOptions & {
    modelPath?: string;
    dataPath: string;
    split: Split;
    maxLength?: number;
    batchSize: number;
    output?: string;
    details?: true;
    metadata: boolean;
    json?: true;
  };

export function evaluateCommand(): Command {
  const command = new Command('evaluate')
    .description('caption every picture of a split and score the captions; of a dual encoder, say how well it finds')
    .requiredOption('--data-path <folder>', 'folder with captions and pictures (see data check)')
    .addOption(layoutOption())
    .addOption(splitSharesOption())
    .addOption(downloadsOption())
    .option('--model-path <folder>', 'a captioner or a dual encoder (default: the one that comes with the package)')
    .addOption(new Option('--split <name>', 'which pictures').choices(['train', 'dev', 'test']).default('test'))
    .option('--max-length <number>', 'tokens per caption at most (default: as the captioner was tuned)', wholeFrom(1));
  return addSearchOptions(command)
    .option('--batch-size <number>', 'pictures at a time', wholeFrom(1), 16)
    .option('--output <file>', 'write scores, captions and references as JSON')
    .option('--no-metadata', 'keep what the examples tell of their pictures from a captioner of train --metadata')
    .option('--details', 'with the statistics behind every score, in --output and --json')
    .option('--json', 'print JSON instead of a table')
    .addHelpText(
      'after',
      `
Examples:
  $ tfjs-captioning evaluate --data-path flickr8k --split dev --beam-size 3
  $ tfjs-captioning evaluate --data-path flickr8k --model-path runs/first --output scores.json
  $ tfjs-captioning evaluate --data-path flickr8k --model-path runs/finder    # a dual encoder: recalls`,
    )
    .action(runEvaluate);
}

async function runEvaluate(options: EvaluateOptions, command: Command): Promise<void> {
  const { split, maxLength, batchSize, output, details, metadata } = options;
  searchOf(options); // refuses what does not go together before anything is loaded
  if (output !== undefined) expectFolderOf(output);
  const store = directory(options.modelPath ?? shippedModel());
  const finds = await isDualEncoder(store);
  if (finds) expectRetrievalOptions(command);
  const threads = pictureThreads();
  const data = await loadCaptionData(options.dataPath, { ...loadOptions(options), threads });
  if (data[split].size === 0)
    throw new DataError(
      `The ${split} split of ${options.dataPath} has no picture. ${data.problems.length} rows were left out; \`tfjs-captioning data check\` names them.`,
    );
  await startBackend();
  const { signal } = abortOnInterrupt('Stopping.');
  if (finds) {
    const result = await evaluateDualEncoder(store, data[split], { batchSize, signal }).finally(() => threads.close());
    await report(options, result, `${retrievalTable(result)}\n${result.pictures} pictures of the ${split} split.`);
    return;
  }
  const captioner = await loadCaptioner(store);
  const search = searchOf(options, captioner);
  await tellOfMetadata(captioner, data[split], options);
  const progress = new Progress();
  try {
    const result = await evaluate(captioner, data[split], {
      ...(search && { search }),
      ...(maxLength !== undefined && { maxLength }),
      ...(details && { details }),
      ...(!metadata && { metadata }),
      batchSize,
      signal,
      onProgress: (done, total) => progress.show(`${done} of ${total} pictures`),
    });
    progress.end();
    const { beamSize, lengthPenalty } = { ...captioner.generation, ...options };
    const searched = search && !options.beamSize ? {} : { beamSize, lengthPenalty };
    const pictures = data[split].size;
    const { tokenizer, scale } = result.settings;
    await report(
      options,
      { pictures, ...searched, ...result },
      `${scoreTable(result.corpus)}\n${pictures} pictures of the ${split} split. ${tokenizer}; ${scale}.`,
    );
    for (const why of Object.values(result.omitted)) process.stderr.write(`${why}\n`);
  } finally {
    progress.end();
    captioner.dispose();
    await threads.close();
  }
}

/** Writes and prints what was found: as JSON, or as it is for people. */
async function report(
  { dataPath, split, output, json }: EvaluateOptions,
  found: Record<string, unknown>,
  people: string,
): Promise<void> {
  const text = JSON.stringify({ data: dataPath, split, ...found }, null, 2);
  if (output) await writeOutput(output, `${text}\n`);
  process.stdout.write(`${json ? text : people}\n`);
}

/** Says of how many pictures something is known; refuses what would come to nothing. */
async function tellOfMetadata(
  captioner: Captioner,
  data: Dataset,
  { metadata, split }: EvaluateOptions,
): Promise<void> {
  const { metadata: reading } = captioner;
  if (!reading) {
    if (metadata) return;
    throw new UsageError('--no-metadata changes nothing: this captioner was not trained to read metadata.');
  }
  if (!metadata) return;
  const known = await countKnown(data, reading);
  const what = `${known} of the ${data.size} pictures of the ${split} split tell ${reading.fields.join(', ')}`;
  if (known === 0)
    throw new DataError(`${what}, which this captioner reads. Give --no-metadata to have it caption without.`);
  process.stderr.write(`${what}\n`);
}

/** Names and scores in two columns. */
export function scoreTable(corpus: Readonly<Record<string, number>>): string {
  return Object.entries(corpus)
    .map(([name, value]) => `${name.padEnd(10)} ${value.toFixed(4)}`)
    .join('\n');
}
