import { mkdir } from 'node:fs/promises';
import { Command } from 'commander';
import { AttentionLSTMCaptioner } from '../attentionLSTMCaptioner';
import { UsageError } from '../core/errors';
import type { CaptionData } from '../data/types';
import { WordTokenizer } from '../data/wordTokenizer';
import { beam } from '../decoders/search/beam';
import type { Encoder } from '../encoders/types';
import { loadCaptionData } from '../node/captionData';
import { directory } from '../node/directory';
import { loadEncoder } from '../node/encoders';
import { defaultFeatureFolder, featureCache } from '../node/featureCache';
import { evaluate } from '../training/evaluate';
import type { FeatureCache } from '../training/features';
import { adamW } from '../training/optimizers';
import { cosine } from '../training/schedules';
import { hasSnapshot, readSnapshot, readTrainingState } from '../training/snapshot';
import { type TrainOptions, type TrainStep, train } from '../training/train';
import { Meter } from './meter';
import { modelCard } from './modelCard';
import { duration, Progress } from './progress';
import {
  abortOnInterrupt,
  describeBackend,
  notNegative,
  positive,
  share,
  shippedModel,
  startBackend,
  wholeFrom,
} from './shared';

/** Options that make the model or the run what it is: a resumed training takes them from the one before. */
type RunOptions = {
  encoder: string;
  encoderWeights?: string;
  minCount: number;
  embeddingSize: number;
  hiddenSize: number;
  attentionSize: number;
  layers: number;
  deepOutput: boolean;
  dropout: number;
  batchSize: number;
  captionsPerImage: number;
  accumulate: number;
  learningRate: number;
  warmup: number;
  weightDecay: number;
  labelSmoothing: number;
  doublyStochastic: number;
  clipNorm: number;
  fineTuneFrom?: number;
  encoderLearningRate: number;
  seed: number;
};

type TrainCommandOptions = RunOptions & {
  dataPath: string;
  modelPath: string;
  epochs: number;
  saveEvery: number;
  saveMinutes: number;
  patience: number;
  beamSize: number;
  lengthPenalty: number;
  maxLength: number;
  precision: 'F32' | 'F16';
  featuresPath: string;
  resume?: true;
  json?: true;
};

const runOptionNames = [
  'encoder', 'encoderWeights', 'minCount', 'embeddingSize', 'hiddenSize', 'attentionSize', 'layers', 'deepOutput', 'dropout', 'batchSize',
  'captionsPerImage', 'accumulate', 'learningRate', 'warmup', 'weightDecay', 'labelSmoothing', 'doublyStochastic', 'clipNorm',
  'fineTuneFrom', 'encoderLearningRate', 'seed',
] as const satisfies readonly (keyof RunOptions)[]; // biome-ignore format: a table

/** The end of an epoch, as validation reports it. */
type EpochEnd = { epoch: number; loss: number; learningRate: number };

/** Kept with the snapshots: the options of the run, how validation went so far, and one that was interrupted. */
type Notes = {
  options: RunOptions;
  best?: { epoch: number; score: number };
  pending?: EpochEnd;
  seconds: number;
};

export function trainCommand(): Command {
  return new Command('train')
    .description('train an attention LSTM captioner on captioned pictures')
    .requiredOption('--data-path <folder>', 'folder with captions and pictures (see data check)')
    .requiredOption(
      '--model-path <folder>',
      'where the captioner is saved: the best one so far, and what is needed to go on',
    )
    .option('--epochs <number>', 'passes over the training pictures, in total', wholeFrom(1), 6)
    .option('--batch-size <number>', 'pictures per step', wholeFrom(1), 20)
    .option('--learning-rate <number>', 'of the decoder, the peak of a cosine', positive, 8e-4)
    .option('--save-every <epochs>', 'save what is needed to go on after this many epochs', wholeFrom(1), 1)
    .option('--save-minutes <number>', 'and after this many minutes', positive, 10)
    .option('--resume', 'go on with the training in --model-path')
    .option(
      '--encoder <name|folder>',
      'mobilenet-v2, or the folder of a captioner whose encoder is taken (default: the shipped captioner)',
    )
    .option('--encoder-weights <folder>', 'weights of mobilenet-v2')
    .option('--fine-tune-from <epoch>', 'train the encoder too, from this epoch on', wholeFrom(1))
    .option('--encoder-learning-rate <number>', 'of the encoder while it is trained', positive, 5e-5)
    .option('--captions-per-image <number>', 'captions of each picture per step', wholeFrom(1), 5)
    .option('--accumulate <number>', 'batches per step of the optimizer', wholeFrom(1), 1)
    .option('--hidden-size <number>', 'of the LSTM', wholeFrom(1), 512)
    .option('--attention-size <number>', 'of the attention', wholeFrom(1), 256)
    .option('--embedding-size <number>', 'of the word embeddings', wholeFrom(1), 300)
    .option('--layers <number>', 'of the LSTM', wholeFrom(1), 1)
    .option('--deep-output', 'let word, state and context predict the next word together', false)
    .option('--min-count <number>', 'words that occur less often are unknown', wholeFrom(1), 5)
    .option('--dropout <share>', 'of embeddings and hidden state', share, 0.4)
    .option('--label-smoothing <share>', 'of the target on all other words', share, 0)
    .option('--doubly-stochastic <weight>', 'of the term that spreads the attention over a picture', notNegative, 1)
    .option('--weight-decay <number>', 'of AdamW', notNegative, 0.01)
    .option('--warmup <steps>', 'of the learning rate', wholeFrom(0), 0)
    .option('--clip-norm <number>', 'joint norm of the gradients at most', positive, 5)
    .option('--patience <epochs>', 'stop after this many epochs without a better validation', wholeFrom(1), 5)
    .option('--beam-size <number>', 'of validation, and the default of the captioner', wholeFrom(1), 3)
    .option('--length-penalty <number>', 'of that beam', notNegative, 0.9)
    .option('--max-length <number>', 'tokens per caption', wholeFrom(1), 20)
    .option('--precision <F32|F16>', 'of the saved captioner; F16 is half the size', precision, 'F32')
    .option('--features-path <folder>', 'where features are kept while the encoder is frozen', defaultFeatureFolder())
    .option('--seed <number>', 'of everything random', wholeFrom(0), 0)
    .option('--json', 'print one JSON object per epoch on standard output')
    .addHelpText(
      'after',
      `
Examples:
  $ tfjs-captioning train --data-path flickr8k --model-path runs/first
  $ tfjs-captioning train --data-path flickr8k --model-path runs/first --epochs 10 --resume
  $ tfjs-captioning train --data-path flickr8k --model-path runs/tuned --epochs 9 --fine-tune-from 4 --precision F16`,
    )
    .action(async (options: TrainCommandOptions, command: Command) => {
      const merged = { ...options, ...(await resumedOptions(options, command)) };
      if (merged.fineTuneFrom === undefined && command.getOptionValueSource('encoderLearningRate') === 'cli')
        throw new UsageError(
          '--encoder-learning-rate changes nothing while the encoder is frozen: give --fine-tune-from.',
        );
      await runTraining(merged);
    });
}

function precision(text: string): 'F32' | 'F16' {
  const name = text.toUpperCase();
  if (name === 'F32' || name === 'F16') return name;
  throw new UsageError(`--precision is ${text} but should be F32 or F16.`);
}

/** With --resume the options of the run before; giving another value for one of them is an error. */
async function resumedOptions(options: TrainCommandOptions, command: Command): Promise<Partial<RunOptions>> {
  const store = directory(options.modelPath);
  const exists = await hasSnapshot(store);
  if (!options.resume) {
    const held = (await store.list()).filter((name) => name === 'config.json' || name.startsWith('training/'));
    if (held.length > 0)
      throw new UsageError(
        `${options.modelPath} holds a training already (${held[0]}). Give --resume to go on with it, or another --model-path.`,
      );
    return {};
  }
  if (!exists) return {};
  const { options: before } = (await readTrainingState(store)).notes as unknown as Notes;
  for (const name of runOptionNames) {
    if (command.getOptionValueSource(name) !== 'cli' || options[name] === before[name]) continue;
    throw new UsageError(
      `The training in ${options.modelPath} was started with ${name} ${before[name]}, not ${options[name]}. Leave the option out, or train anew elsewhere.`,
    );
  }
  return before;
}

async function runTraining(options: TrainCommandOptions): Promise<void> {
  const { modelPath, epochs, saveEvery, saveMinutes, patience } = options;
  const data = await loadCaptionData(options.dataPath);
  reportData(data);
  const backend = describeBackend(await startBackend());
  await mkdir(modelPath, { recursive: true });
  const store = directory(modelPath);
  const resuming = options.resume && (await hasSnapshot(store));
  const { signal } = abortOnInterrupt('Stopping; what is needed to go on will be saved.');
  const features = await featureCache(options.featuresPath);
  const encoder = await loadEncoder(
    options.encoder ?? shippedModel(),
    options.encoderWeights ? { weights: options.encoderWeights } : {},
  );
  const captioner = await createCaptioner(options, encoder, data);
  const optimizer = adamW(options.learningRate, { weightDecay: options.weightDecay });
  const progress = new Progress();
  const meter = new Meter();
  let notes: Notes = { options: runOptionsOf(options), seconds: 0 };
  if (resuming) notes = (await readTrainingState(store)).notes as unknown as Notes;
  const started = performance.now() - notes.seconds * 1000;
  const seconds = () => (performance.now() - started) / 1000;
  let saved = performance.now();
  const snapshot = async (step: TrainStep) => {
    await step.snapshot(store, { ...notes, seconds: seconds() });
    saved = performance.now();
  };

  /** Validates, keeps the captioner if it is the best so far, reports; true where patience is at its end. */
  const finishEpoch = async (end: EpochEnd): Promise<boolean> => {
    const frozen = !options.fineTuneFrom || end.epoch < options.fineTuneFrom;
    const scores = await validate(captioner, data, options, frozen ? features : undefined, progress, signal);
    const score = scores?.CIDEr ?? -end.loss;
    const best = !notes.best || score > notes.best.score;
    const { pending, ...rest } = notes;
    notes = best ? { ...rest, best: { epoch: end.epoch, score } } : rest;
    if (best) {
      const { beamSize, lengthPenalty, precision } = options;
      const pictures = { layout: data.layout, trainPictures: data.train.size, devPictures: data.dev.size };
      const how = { options: notes.options, epoch: end.epoch, beamSize, lengthPenalty, seconds: seconds(), backend };
      const card = modelCard(captioner, { ...pictures, ...how, scores: scores ?? {} });
      await captioner.save(store, { dtype: precision, card });
    }
    report({ ...end, ...scores, best, seconds: seconds() }, options.json === true);
    return end.epoch - notes.best!.epoch >= patience;
  };

  let last: TrainStep | undefined;
  let exhausted = false;
  try {
    if (notes.pending) {
      await readSnapshot(store, captioner.parameters(), optimizer);
      exhausted = await finishEpoch(notes.pending);
    }
    const steps = train(captioner, data.train, {
      ...trainOptionsOf(options),
      optimizer,
      features,
      ...(resuming && { resume: store }),
    });
    if (!exhausted)
      for await (const step of steps) {
        last = step;
        progress.show(meter.line(step));
        if (step.lastOfEpoch) {
          progress.end();
          const end = { epoch: step.epoch, loss: meter.epochLoss, learningRate: step.learningRate };
          meter.nextEpoch();
          try {
            exhausted = await finishEpoch(end);
          } catch (error) {
            if (!signal.aborted) throw error;
            notes = { ...notes, pending: end };
          }
        }
        const due = step.lastOfEpoch
          ? step.epoch % saveEvery === 0 || exhausted || step.step === step.totalSteps
          : performance.now() - saved > saveMinutes * 60_000;
        if (due || signal.aborted) await snapshot(step);
        if (signal.aborted) {
          process.stderr.write(`Saved after step ${step.step}. Go on with the same command and --resume.\n`);
          throw signal.reason;
        }
        if (exhausted) break;
      }
    if (exhausted) process.stderr.write(`Stopped early: no better validation for ${patience} epochs.\n`);
    if (last || exhausted)
      process.stderr.write(`Best after epoch ${notes.best!.epoch}; the captioner is in ${modelPath}.\n`);
    else
      process.stderr.write(
        `Nothing to do: the training in ${modelPath} has had its ${epochs} epochs. Give more with --epochs.\n`,
      );
  } finally {
    progress.end();
    optimizer.dispose();
    captioner.dispose();
    encoder.dispose();
    await features.close();
  }
}

function runOptionsOf(options: TrainCommandOptions): RunOptions {
  const given = runOptionNames.filter((name) => options[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, options[name]])) as RunOptions;
}

/** The options of the command as those of `train`. */
function trainOptionsOf(options: TrainCommandOptions): TrainOptions {
  const { epochs, batchSize, captionsPerImage, accumulate, labelSmoothing, doublyStochastic, seed } = options;
  return {
    ...{ epochs, batchSize, captionsPerImage, accumulate, labelSmoothing, doublyStochastic, seed },
    schedule: cosine({ warmup: options.warmup }),
    clip: { norm: options.clipNorm },
    ...(options.fineTuneFrom && {
      fineTune: { fromEpoch: options.fineTuneFrom, learningRate: options.encoderLearningRate },
    }),
  };
}

async function createCaptioner(
  options: TrainCommandOptions,
  encoder: Encoder,
  data: CaptionData,
): Promise<AttentionLSTMCaptioner> {
  const tokenizer = await WordTokenizer.fromCaptions(data.train.captions(), { minCount: options.minCount });
  return AttentionLSTMCaptioner.create({
    encoder,
    tokenizer,
    embeddingSize: options.embeddingSize,
    hiddenSize: options.hiddenSize,
    attentionSize: options.attentionSize,
    numLayers: options.layers,
    deepOutput: options.deepOutput,
    dropout: options.dropout,
    generation: { beamSize: options.beamSize, lengthPenalty: options.lengthPenalty, maxLength: options.maxLength },
    seed: options.seed,
  });
}

/** BLEU-4, CIDEr and the others of generated captions; nothing where there is no development split. */
async function validate(
  captioner: AttentionLSTMCaptioner,
  data: CaptionData,
  options: TrainCommandOptions,
  features: FeatureCache | undefined,
  progress: Progress,
  signal: AbortSignal,
): Promise<Record<string, number> | undefined> {
  if (data.dev.size === 0) return undefined;
  const { beamSize, lengthPenalty, maxLength } = options;
  const { corpus } = await evaluate(captioner, data.dev, {
    search: beam({ beamSize, lengthPenalty }),
    maxLength,
    metrics: ['bleu', 'rougeL', 'cider'],
    ...(features && { features }),
    signal,
    onProgress: (done, total) => progress.show(`validating: ${done} of ${total} pictures`),
  });
  progress.end();
  return corpus;
}

function reportData(data: CaptionData): void {
  const { layout, train, dev, test, problems } = data;
  process.stderr.write(
    `Data: ${layout}, ${train.size} training, ${dev.size} development, ${test.size} test pictures; ${problems.length} rows left out (data check names them)\n`,
  );
}

/** One line per epoch for people, and one JSON object for programs. */
function report(
  epoch: EpochEnd & { best: boolean; seconds: number; [metric: string]: number | boolean },
  json: boolean,
): void {
  const scores = ['BLEU-4', 'CIDEr'].flatMap((name) =>
    name in epoch ? [`${name} ${(epoch[name] as number).toFixed(4)}`] : [],
  );
  const parts = [`epoch ${epoch.epoch}`, `loss ${epoch.loss.toFixed(3)}`, ...scores, duration(epoch.seconds)];
  process.stderr.write(`${[...parts, ...(epoch.best ? ['best so far, saved'] : [])].join(', ')}\n`);
  if (json) process.stdout.write(`${JSON.stringify(epoch)}\n`);
}
