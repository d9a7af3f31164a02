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
import { averaging } from '../training/ema';
import { evaluate } from '../training/evaluate';
import type { FeatureCache } from '../training/features';
import { adamW } from '../training/optimizers';
import { risingShare } from '../training/scheduledSampling';
import { cosine } from '../training/schedules';
import { hasSnapshot, readSnapshot, readTrainingState } from '../training/snapshot';
import { type TrainOptions, type TrainStep, train } from '../training/train';
import { Meter } from './meter';
import { modelCard } from './modelCard';
import { baseline, loadTeachers, type ObjectiveOptions, objectiveOf, rewardIn } from './objectives';
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
type RunOptions = ObjectiveOptions & {
  from?: string;
  scheduledSampling: number;
  averaging?: number;
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
  validateEvery?: number;
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
  'objective', 'baseline', 'sampleTemperature', 'from', 'teachers', 'distillationWeight', 'distillationTemperature', 'scheduledSampling', 'averaging',
  'encoder', 'encoderWeights', 'minCount', 'embeddingSize', 'hiddenSize', 'attentionSize', 'layers', 'deepOutput', 'dropout', 'batchSize',
  'captionsPerImage', 'accumulate', 'learningRate', 'warmup', 'weightDecay', 'labelSmoothing', 'doublyStochastic', 'clipNorm',
  'fineTuneFrom', 'encoderLearningRate', 'seed',
] as const satisfies readonly (keyof RunOptions)[]; // biome-ignore format: a table

/** Where a training stands at a validation, at the end of an epoch or within it; means are of the epoch so far. */
type Stand = { epoch: number; step: number; loss: number; reward?: number; learningRate: number };

/** Kept with the snapshots: the options of the run, how validation went so far, and one that was interrupted. */
type Notes = {
  options: RunOptions;
  best?: { epoch: number; step: number; score: number };
  pending?: Stand;
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
    .option(
      '--learning-rate <number>',
      'of the decoder, the peak of a cosine (default: 8e-4, self-critical 5e-5)',
      positive,
    )
    .option('--from <folder>', 'a captioner to go on from: its encoder, vocabulary, sizes and weights')
    .option(
      '--objective <name>',
      'caption: the words of true captions; scst:REWARD: self-critical, such as scst:cider or scst:cider+0.5*bleu',
      'caption',
    )
    .option('--baseline <others|greedy|beam>', 'what self-critical rewards are compared with', baseline, 'others')
    .option('--sample-temperature <number>', 'below 1 for likelier self-critical samples', positive, 1)
    .option('--scheduled-sampling <share>', 'of own words read in place of true ones, rising up to this', share, 0)
    .option('--averaging <decay>', 'validate and save moving averages of the weights, such as 0.999', share)
    .option('--teachers <folders...>', 'captioners with the same vocabulary whose probabilities are learned too')
    .option('--distillation-weight <share>', 'of the teachers in the loss', share, 0.5)
    .option('--distillation-temperature <number>', 'of the probabilities that are compared', positive, 2)
    .option('--save-every <epochs>', 'save what is needed to go on after this many epochs', wholeFrom(1), 1)
    .option('--save-minutes <number>', 'and after this many minutes', positive, 10)
    .option('--validate-every <steps>', 'validate within epochs too', wholeFrom(1))
    .option('--resume', 'go on with the training in --model-path')
    .option(
      '--encoder <name|folder>',
      'mobilenet-v2, or the folder of a captioner whose encoder is taken (default: the shipped captioner)',
    )
    .option('--encoder-weights <folder>', 'weights of mobilenet-v2')
    .option('--fine-tune-from <epoch>', 'train the encoder too, from this epoch on', wholeFrom(1))
    .option('--encoder-learning-rate <number>', 'of the encoder while it is trained', positive, 5e-5)
    .option('--captions-per-image <number>', 'captions of each picture per step, true ones or samples', wholeFrom(1), 5)
    .option('--accumulate <number>', 'batches per step of the optimizer', wholeFrom(1), 1)
    .option('--hidden-size <number>', 'of the LSTM', wholeFrom(1), 512)
    .option('--attention-size <number>', 'of the attention', wholeFrom(1), 256)
    .option('--embedding-size <number>', 'of the word embeddings', wholeFrom(1), 300)
    .option('--layers <number>', 'of the LSTM', wholeFrom(1), 1)
    .option('--deep-output', 'let word, state and context predict the next word together', false)
    .option('--min-count <number>', 'words that occur less often are unknown', wholeFrom(1), 5)
    .option('--dropout <share>', 'of embeddings and hidden state', share, 0.4)
    .option('--label-smoothing <share>', 'of the target on all other words', share, 0)
    .option(
      '--doubly-stochastic <weight>',
      'of the term that spreads the attention over a picture (default: 1, self-critical 0)',
      notNegative,
    )
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
  $ tfjs-captioning train --data-path flickr8k --model-path runs/tuned --epochs 9 --fine-tune-from 4 --precision F16
  $ tfjs-captioning train --data-path flickr8k --model-path runs/rewarded --from runs/tuned --objective scst:cider`,
    )
    .action(async (options: TrainCommandOptions, command: Command) => {
      const given = (name: string) => command.getOptionValueSource(name) === 'cli';
      const merged = withDefaults({ ...options, ...(await resumedOptions(options, command)) });
      expectSensible(merged, given);
      await runTraining(merged);
    });
}

/** Options whose defaults depend on what is learned. */
function withDefaults(options: Partial<RunOptions> & Omit<TrainCommandOptions, keyof RunOptions>): TrainCommandOptions {
  const selfCritical = rewardIn(options as RunOptions) !== undefined;
  return {
    ...(options as TrainCommandOptions),
    learningRate: options.learningRate ?? (selfCritical ? 5e-5 : 8e-4),
    doublyStochastic: options.doublyStochastic ?? (selfCritical ? 0 : 1),
  };
}

/** What a captioner that is given brings along. */
const broughtAlong = [
  'encoder', 'encoderWeights', 'minCount', 'hiddenSize', 'attentionSize', 'embeddingSize', 'layers', 'deepOutput', 'dropout',
] as const; // biome-ignore format: a table

const distillationOnly = ['distillationWeight', 'distillationTemperature'] as const;
const selfCriticalOnly = ['baseline', 'sampleTemperature'] as const;
const truthOnly = ['teachers', 'scheduledSampling', 'labelSmoothing'] as const;

/** Refuses options that would change nothing, so that none is ignored without a word. */
function expectSensible(options: RunOptions, given: (name: string) => boolean): void {
  const refuse = (names: readonly string[], reason: string) => {
    const found = names.find(given);
    if (found) throw new UsageError(`--${found.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} ${reason}`);
  };
  if (options.fineTuneFrom === undefined)
    refuse(['encoderLearningRate'], 'changes nothing while the encoder is frozen: give --fine-tune-from.');
  if (options.from) refuse(broughtAlong, 'does not go with --from, whose captioner brings its own.');
  if (!options.teachers) refuse(distillationOnly, 'changes nothing without teachers: give --teachers.');
  const selfCritical = rewardIn(options) !== undefined;
  if (!selfCritical) {
    refuse(selfCriticalOnly, 'belongs to self-critical training: give --objective scst:cider.');
    return;
  }
  if (!options.from)
    throw new UsageError(
      'Self-critical training begins from a captioner that has learned from captions: give its folder with --from.',
    );
  refuse(
    truthOnly,
    'belongs to learning from true captions, and self-critical training learns from samples. Leave it out.',
  );
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
    if (command.getOptionValueSource(name) !== 'cli' || String(options[name]) === String(before[name])) continue;
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
  const { captioner, dispose } = await startCaptioner(options, data);
  const teachers = await loadTeachers(options.teachers ?? []);
  const objective = await objectiveOf(options, data.train, teachers, features);
  const plain = adamW(options.learningRate, { weightDecay: options.weightDecay });
  const averages = options.averaging ? averaging(plain, { decay: options.averaging }) : undefined;
  const optimizer = averages ?? plain;
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
  const finish = async (end: Stand): Promise<boolean> => {
    const frozen = !options.fineTuneFrom || end.epoch < options.fineTuneFrom;
    const scores = await validate(captioner, data, options, frozen ? features : undefined, progress, signal);
    const score = scores?.CIDEr ?? end.reward ?? -end.loss;
    const best = !notes.best || score > notes.best.score;
    const { pending, ...rest } = notes;
    notes = best ? { ...rest, best: { epoch: end.epoch, step: end.step, score } } : rest;
    if (best) {
      const { beamSize, lengthPenalty, maxLength, precision } = options;
      const pictures = { layout: data.layout, trainPictures: data.train.size, devPictures: data.dev.size };
      const how = { options: notes.options, epoch: end.epoch, beamSize, lengthPenalty, seconds: seconds(), backend };
      const card = modelCard(captioner, { ...pictures, ...how, scores: scores ?? {} });
      await captioner.save(store, { dtype: precision, card, generation: { beamSize, lengthPenalty, maxLength } });
    }
    report({ ...end, ...scores, best, seconds: seconds() }, options);
    return end.epoch - notes.best!.epoch >= patience;
  };
  const finishEpoch = (end: Stand) =>
    averages ? averages.withAverages(captioner.parameters(), () => finish(end)) : finish(end);

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
      ...(objective && { objective }),
      ...(resuming && { resume: store }),
    });
    if (!exhausted)
      for await (const step of steps) {
        last = step;
        progress.show(meter.line(step));
        const within = options.validateEvery !== undefined && step.step % options.validateEvery === 0;
        if (step.lastOfEpoch || within) {
          progress.end();
          const { epoch, learningRate } = step;
          const reward = objective?.ownCaptions ? { reward: meter.epochReward } : {};
          const end = { epoch, step: step.step, loss: meter.epochLoss, ...reward, learningRate };
          if (step.lastOfEpoch) meter.nextEpoch();
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
      process.stderr.write(`Best after ${placeOf(notes.best!, options)}; the captioner is in ${modelPath}.\n`);
    else
      process.stderr.write(
        `Nothing to do: the training in ${modelPath} has had its ${epochs} epochs. Give more with --epochs.\n`,
      );
  } finally {
    progress.end();
    optimizer.dispose();
    dispose();
    for (const teacher of teachers) teacher.dispose();
    await features.close();
  }
}

/** Those that this run looks at: they go into the model card and are what a resumed training must have the same. */
function runOptionsOf(options: RunOptions): RunOptions {
  const unused = [
    ...(options.from ? broughtAlong : []),
    ...(options.teachers ? [] : distillationOnly),
    ...(rewardIn(options) === undefined ? selfCriticalOnly : truthOnly),
  ] as readonly string[];
  const used = runOptionNames.filter((name) => options[name] !== undefined && !unused.includes(name));
  return Object.fromEntries(used.map((name) => [name, options[name]])) as RunOptions;
}

/** The options of the command as those of `train`. */
function trainOptionsOf(options: TrainCommandOptions): TrainOptions {
  const { epochs, batchSize, captionsPerImage, accumulate, labelSmoothing, doublyStochastic, seed } = options;
  return {
    ...{ epochs, batchSize, captionsPerImage, accumulate, labelSmoothing, doublyStochastic, seed },
    ...(options.scheduledSampling > 0 && { scheduledSampling: risingShare(options.scheduledSampling) }),
    schedule: cosine({ warmup: options.warmup }),
    clip: { norm: options.clipNorm },
    ...(options.fineTuneFrom && {
      fineTune: { fromEpoch: options.fineTuneFrom, learningRate: options.encoderLearningRate },
    }),
  };
}

/** The captioner to train, new or one that was trained before, and how to let go of it. */
async function startCaptioner(
  options: TrainCommandOptions,
  data: CaptionData,
): Promise<{ captioner: AttentionLSTMCaptioner; dispose: () => void }> {
  if (options.from) {
    const captioner = await AttentionLSTMCaptioner.load(directory(options.from));
    return { captioner, dispose: () => captioner.dispose() };
  }
  const weights = options.encoderWeights ? { weights: options.encoderWeights } : {};
  const encoder = await loadEncoder(options.encoder ?? shippedModel(), weights);
  const captioner = await createCaptioner(options, encoder, data);
  return {
    captioner,
    dispose: () => {
      captioner.dispose();
      encoder.dispose();
    },
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

const placeOf = ({ epoch, step }: { epoch: number; step: number }, { validateEvery }: TrainCommandOptions) =>
  `epoch ${epoch}${validateEvery === undefined ? '' : `, step ${step}`}`;

/** One line per validation for people, and one JSON object for programs. */
function report(
  epoch: Stand & { best: boolean; seconds: number; [metric: string]: number | boolean },
  options: TrainCommandOptions,
): void {
  const scores = ['BLEU-4', 'CIDEr'].flatMap((name) =>
    name in epoch ? [`${name} ${(epoch[name] as number).toFixed(4)}`] : [],
  );
  const learned = epoch.reward === undefined ? `loss ${epoch.loss.toFixed(3)}` : `reward ${epoch.reward.toFixed(3)}`;
  const parts = [placeOf(epoch, options), learned, ...scores, duration(epoch.seconds)];
  process.stderr.write(`${[...parts, ...(epoch.best ? ['best so far, saved'] : [])].join(', ')}\n`);
  if (options.json) process.stdout.write(`${JSON.stringify(epoch)}\n`);
}
