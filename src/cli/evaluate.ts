import { Command, Option } from 'commander';
import { DataError } from '../core/errors';
import type { Split } from '../data/types';
import { loadCaptioner } from '../loadCaptioner';
import { loadCaptionData } from '../node/captionData';
import { directory } from '../node/directory';
import { evaluate } from '../training/evaluate';
import { type DataOptions, downloadsOption, layoutOption, loadOptions, splitSharesOption } from './dataOptions';
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
    json?: true;
  };

export function evaluateCommand(): Command {
  const command = new Command('evaluate')
    .description('caption every picture of a split and score the captions')
    .requiredOption('--data-path <folder>', 'folder with captions and pictures (see data check)')
    .addOption(layoutOption())
    .addOption(splitSharesOption())
    .addOption(downloadsOption())
    .option('--model-path <folder>', 'a captioner (default: the one that comes with the package)')
    .addOption(new Option('--split <name>', 'which pictures').choices(['train', 'dev', 'test']).default('test'))
    .option('--max-length <number>', 'tokens per caption at most (default: as the captioner was tuned)', wholeFrom(1));
  return addSearchOptions(command)
    .option('--batch-size <number>', 'pictures at a time', wholeFrom(1), 16)
    .option('--output <file>', 'write scores, captions and references as JSON')
    .option('--details', 'with the statistics behind every score, in --output and --json')
    .option('--json', 'print JSON instead of a table')
    .addHelpText(
      'after',
      `
Examples:
  $ tfjs-captioning evaluate --data-path flickr8k --split dev --beam-size 3
  $ tfjs-captioning evaluate --data-path flickr8k --model-path runs/first --output scores.json`,
    )
    .action(runEvaluate);
}

async function runEvaluate(options: EvaluateOptions): Promise<void> {
  const { split, maxLength, batchSize, output, details, json } = options;
  searchOf(options); // refuses what does not go together before anything is loaded
  if (output !== undefined) expectFolderOf(output);
  const data = await loadCaptionData(options.dataPath, loadOptions(options));
  if (data[split].size === 0)
    throw new DataError(
      `The ${split} split of ${options.dataPath} has no picture. ${data.problems.length} rows were left out; \`tfjs-captioning data check\` names them.`,
    );
  await startBackend();
  const captioner = await loadCaptioner(directory(options.modelPath ?? shippedModel()));
  const search = searchOf(options, captioner);
  const { signal } = abortOnInterrupt('Stopping.');
  const progress = new Progress();
  try {
    const result = await evaluate(captioner, data[split], {
      ...(search && { search }),
      ...(maxLength !== undefined && { maxLength }),
      ...(details && { details }),
      batchSize,
      signal,
      onProgress: (done, total) => progress.show(`${done} of ${total} pictures`),
    });
    progress.end();
    const { beamSize, lengthPenalty } = { ...captioner.generation, ...options };
    const report = {
      data: options.dataPath,
      split,
      pictures: data[split].size,
      ...(search && !options.beamSize ? {} : { beamSize, lengthPenalty }),
      ...result,
    };
    if (output) await writeOutput(output, `${JSON.stringify(report, null, 2)}\n`);
    if (json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    else
      process.stdout.write(
        `${scoreTable(result.corpus)}\n${data[split].size} pictures of the ${split} split. ${result.settings.tokenizer}; ${result.settings.scale}.\n`,
      );
    for (const why of Object.values(result.omitted)) process.stderr.write(`${why}\n`);
  } finally {
    progress.end();
    captioner.dispose();
  }
}

/** Names and scores in two columns. */
export function scoreTable(corpus: Readonly<Record<string, number>>): string {
  return Object.entries(corpus)
    .map(([name, value]) => `${name.padEnd(10)} ${value.toFixed(4)}`)
    .join('\n');
}
