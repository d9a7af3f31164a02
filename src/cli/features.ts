import { Command, Option } from 'commander';
import { UsageError } from '../core/errors';
import { flip } from '../data/augment/flip';
import { ahead, batched } from '../data/streams';
import type { CaptionData, Example, Split } from '../data/types';
import type { Encoder } from '../encoders/types';
import { augmentThreads } from '../node/augmentThreads';
import { loadCaptionData } from '../node/captionData';
import { directory } from '../node/directory';
import { loadEncoder } from '../node/encoders';
import { pictureThreads } from '../node/pictureThreads';
import type { FeatureType } from '../training/featureCodec';
import { type FeatureStore, openFeatureStore } from '../training/featureStore';
import { featureReader, identify } from '../training/features';
import { duration, Progress } from './progress';
import { abortOnInterrupt, Interrupted, shippedModel, startBackend, wholeFrom } from './shared';

type FeaturesOptions = {
  dataPath: string;
  encoder?: string;
  encoderWeights?: string;
  output: string;
  dtype: FeatureType;
  views: View[];
  splits: Split[];
  batchSize: number;
};

type View = 'plain' | 'flipped';

/** `features`: what a frozen encoder sees in every picture of a data set, kept in a folder for `train --features-path`. */
export function featuresCommand(): Command {
  return new Command('features')
    .description('encode the pictures of a data set once, for train --features-path')
    .requiredOption('--data-path <folder>', 'folder with captions and pictures (see data check)')
    .requiredOption('--output <folder>', 'where the features are kept; one that has some is gone on with')
    .option(
      '--encoder <name|folder>',
      'as of train: a name, or the folder of a captioner (default: the shipped captioner)',
    )
    .option('--encoder-weights <folder>', 'weights of an encoder that is given by its name')
    .addOption(new Option('--dtype <type>', 'of the values').choices(['f16', 'int8']).default('f16'))
    .option('--views <names>', 'plain, flipped or both, with a comma; train --augment flip needs both', viewsOf, [
      'plain',
    ])
    .option('--splits <names>', 'train, dev, test, with commas', splitsOf, ['train', 'dev', 'test'])
    .option('--batch-size <number>', 'pictures at a time', wholeFrom(1), 16)
    .addHelpText(
      'after',
      `
Examples:
  $ tfjs-captioning features --data-path flickr8k --output features --views plain,flipped
  $ tfjs-captioning train --data-path flickr8k --model-path runs/first --features-path features --augment flip`,
    )
    .action(makeFeatures);
}

const listOf =
  <T extends string>(names: readonly T[]) =>
  (text: string): T[] =>
    text.split(',').map((word) => {
      const found = names.find((name) => name === word.trim());
      if (found === undefined) throw new UsageError(`'${word}' is none of ${names.join(', ')}.`);
      return found;
    });
const viewsOf = listOf<View>(['plain', 'flipped']);
const splitsOf = listOf<Split>(['train', 'dev', 'test']);

async function makeFeatures(options: FeaturesOptions): Promise<void> {
  const { dataPath, output, dtype, batchSize } = options;
  const threads = pictureThreads();
  const data = await loadCaptionData(dataPath, { threads });
  await startBackend();
  const weights = options.encoderWeights ? { weights: options.encoderWeights } : {};
  const encoder = await loadEncoder(options.encoder ?? shippedModel(), weights);
  const { signal } = abortOnInterrupt('Stopping; what is encoded will be kept.');
  const progress = new Progress();
  const started = performance.now();
  try {
    const store = await openFeatureStore(directory(output), await identify(encoder), { dtype });
    for (const problem of store.damaged) process.stderr.write(`Damaged, made anew: ${problem}\n`);
    const before = store.size;
    let sent: unknown;
    try {
      await encodeAll(encoder, store, viewed(data, options), batchSize, signal, (done) => {
        const total = options.views.length * options.splits.reduce((sum, split) => sum + data[split].size, 0);
        const each = (performance.now() - started) / 1000 / done;
        progress.show(`${done} of ${total} pictures, ${duration(each * (total - done))} left`);
      });
    } catch (error) {
      sent = error;
    } finally {
      progress.end();
      await store.flush();
    }
    const made = store.size - before;
    process.stderr.write(
      `${store.size} pictures in ${output}, ${made} of them new, ${duration((performance.now() - started) / 1000)}.\n`,
    );
    if (sent !== undefined) throw sent;
  } finally {
    await threads.close();
    encoder.dispose();
  }
}

/** The examples of the splits in the views that are wanted. */
async function* viewed(data: CaptionData, { splits, views }: FeaturesOptions): AsyncGenerator<Example> {
  const flipped = augmentThreads([flip({ probability: 1 })]);
  for (const split of splits)
    for await (const example of data[split])
      for (const view of views) yield view === 'plain' ? example : flipped.apply(example, 0);
}

async function encodeAll(
  encoder: Encoder,
  store: FeatureStore,
  examples: AsyncIterable<Example>,
  batchSize: number,
  signal: AbortSignal,
  onProgress: (done: number) => void,
): Promise<void> {
  const read = featureReader(encoder, store);
  let done = 0;
  const batches = ahead(batched(examples, batchSize), 2, async (batch) => {
    read.ahead(batch);
    return batch;
  });
  for await (const batch of batches) {
    if (signal.aborted) throw new Interrupted();
    (await read(batch)).dispose();
    done += batch.length;
    onProgress(done);
  }
}
