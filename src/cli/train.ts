import { mkdir } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { ATTENTION_NAMES } from '../attention/create';
import { UsageError } from '../core/errors';
import { CELLS } from '../core/recurrent';
import { parseTransforms } from '../data/augment/named';
import type { CaptionData } from '../data/types';
import { LOOKS } from '../decoders/attentionLSTMParams';
import { INJECTIONS } from '../decoders/lstm';
import type { Store } from '../io/types';
import { directory } from '../node/directory';
import { defaultFeatureFolder, featureCache, featureFolder } from '../node/featureCache';
import { pictureThreads } from '../node/pictureThreads';
import { judge } from '../training/earlyStopping';
import { averaging } from '../training/ema';
import type { FeatureCache } from '../training/features';
import type { LoopOptions, TrainStep } from '../training/loop';
import { adamW } from '../training/optimizers';
import { cosine } from '../training/schedules';
import { hasSnapshot, readSnapshot, readTrainingState } from '../training/snapshot';
import { captionerTrainee } from './captionerTrainee';
import {
  cleanOption,
  downloadsOption,
  languageOption,
  layoutOption,
  loadToLearn,
  splitSharesOption,
} from './dataOptions';
import { dualEncoderTrainee } from './dualEncoderTrainee';
import { expectFields, fieldNames } from './metadataOptions';
import { Meter } from './meter';
import { severalTimes, weightsOf } from './mixedData';
import { baseline, negatives } from './objectives';
import { duration, Progress } from './progress';
import { openRunLog } from './runLog';
import { abortOnInterrupt, describeBackend, notNegative, positive, share, startBackend, wholeFrom } from './shared';
import type { Trainee } from './trainee';
import {
  expectSensible,
  type GivenOptions,
  MODELS,
  modelDefaults,
  type RunOptions,
  runOptionNames,
  runOptionsOf,
  type TrainCommandOptions,
  withDefaults,
} from './trainOptions';

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
    .description('train a captioner, or a dual encoder that finds pictures by words, on captioned pictures')
    .requiredOption(
      '--data-path <folder>',
      'folder with captions and pictures (see data check); given several times, they are mixed, and validated on the first',
      severalTimes,
    )
    .option('--data-weights <numbers>', 'shares of several data sets, such as 1,0.3 (default: equal)', weightsOf)
    .addOption(layoutOption())
    .addOption(splitSharesOption())
    .addOption(downloadsOption())
    .addOption(cleanOption())
    .addOption(languageOption())
    .requiredOption(
      '--model-path <folder>',
      'where the model is saved: the best one so far, and what is needed to go on',
    )
    .addOption(
      new Option('--model <name>', 'what is trained; a dual encoder finds pictures by words')
        .choices(MODELS)
        .default('attention-lstm'),
    )
    .option('--epochs <number>', 'passes over the training pictures, in total', wholeFrom(1), 6)
    .option('--batch-size <number>', by('batchSize', 'pictures per step'), wholeFrom(1))
    .option(
      '--learning-rate <number>',
      `${by('learningRate', 'of what is not the encoder, the peak of a cosine').slice(0, -1)}; self-critical: 5e-5)`,
      positive,
    )
    .option('--from <folder>', 'a captioner to go on from: its encoder, vocabulary, sizes and weights')
    .option(
      '--objective <name>',
      by(
        'objective',
        'caption: the words of true captions; scst:REWARD: self-critical, such as scst:cider or scst:cider+0.5*bleu; a sum of caption, mlm ' +
          '(masked words), itm (matching) and itc (contrast), such as caption+mlm:0.5+itm',
      ),
    )
    .option('--mask-share <share>', 'of the words, to be guessed by mlm', share, 0.15)
    .option('--negatives <random|hard>', 'of itm; hard ones are drawn by itc (default: hard with itc)', negatives)
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
    .option(
      '--fine-tune-after-stage <number>',
      'train only what follows this stage of the encoder, counted from 0; what comes before is computed once',
      wholeFrom(0),
    )
    .option('--encoder-learning-rate <number>', 'of the encoder while it is trained', positive, 5e-5)
    .option(
      '--captions-per-image <number>',
      by('captionsPerImage', 'captions of each picture per step, true ones or samples'),
      wholeFrom(1),
    )
    .option('--accumulate <number>', 'batches per step of the optimizer', wholeFrom(1), 1)
    .option(
      '--workers <number>',
      'worker threads that learn shares of every batch, each with a copy of the captioner; pays where one engine leaves processors idle',
      wholeFrom(1),
    )
    .option('--hidden-size <number>', by('hiddenSize', 'of the layers'), wholeFrom(1))
    .option('--attention-size <number>', 'of the attention (default: 256)', wholeFrom(1))
    .option('--embedding-size <number>', 'of the word embeddings (default: 300)', wholeFrom(1))
    .option('--word-vectors <file>', 'in the format of GloVe, for the words of a dual encoder to begin with')
    .option('--projection-size <number>', by('projectionSize', 'of the space of itc'), wholeFrom(1))
    .option(
      '--layers <number>',
      by('layers', 'over the words; 0 makes a dual encoder read a bag of words'),
      wholeFrom(0),
    )
    .option('--heads <number>', by('heads', 'of transformers'), wholeFrom(1))
    .addOption(
      new Option('--attention <name>', 'how the picture is looked at (default: additive)').choices(ATTENTION_NAMES),
    )
    .addOption(
      new Option('--look <when>', 'before the recurrent layers, between two of them (Up-Down) or after them').choices(
        LOOKS,
      ),
    )
    .addOption(
      new Option(
        '--injection <where>',
        'where the picture enters a captioner without attention (default: init)',
      ).choices(INJECTIONS),
    )
    .addOption(new Option('--cell <name>', 'of the recurrent layers (default: lstm)').choices(CELLS))
    .option('--tied', 'let the word embeddings be the output layer, too')
    .option('--deep-output', 'let word, state and context predict the next word together')
    .option('--min-count <number>', by('minCount', 'words that occur less often are unknown'), wholeFrom(1))
    .option(
      '--bpe <number>',
      'learn so many pieces of words instead of whole words (byte-pair encoding)',
      wholeFrom(260),
    )
    .option('--dropout <share>', by('dropout', 'of embeddings and hidden states'), share)
    .option('--label-smoothing <share>', 'of the target on all other words', share, 0)
    .option(
      '--augment <changes>',
      'of pictures in every epoch: flip, crop, colour, rotate, blur, grayscale, erase, randaugment, with commas and numbers, such as flip,crop:0.6',
      augmentation,
    )
    .option(
      '--metadata <names>',
      'what the captioner reads of the metadata of pictures, such as page_title,section_title; names come into captions as they stand there',
      fieldNames,
    )
    .option(
      '--metadata-dropout <share>',
      'of captions learned without metadata, so that it works without (default: 0.3)',
      share,
    )
    .option('--metadata-tokens <number>', 'of the metadata; what comes later is cut (default: 24)', wholeFrom(1))
    .option('--locked-dropout', 'drop the same values at all words of a caption (variational dropout)')
    .option('--word-dropout <share>', 'of the words that are read: unknown instead', share, 0)
    .option('--mixup <alpha>', 'mix the features of pictures in pairs, such as 0.2', positive)
    .option(
      '--doubly-stochastic <weight>',
      `${by('doublyStochastic', 'of the term that spreads the attention over a picture').slice(0, -1)}; self-critical: 0)`,
      notNegative,
    )
    .option('--weight-decay <number>', by('weightDecay', 'of AdamW'), notNegative)
    .option('--warmup <steps>', by('warmup', 'of the learning rate'), wholeFrom(0))
    .option('--clip-norm <number>', by('clipNorm', 'joint norm of the gradients at most'), positive)
    .option('--patience <epochs>', 'stop after this many epochs without a better validation', wholeFrom(1), 5)
    .option('--beam-size <number>', 'of validation, and the default of the captioner', wholeFrom(1), 3)
    .option('--length-penalty <number>', 'of that beam', notNegative, 0.9)
    .option('--max-length <number>', 'tokens per caption', wholeFrom(1), 20)
    .option('--precision <F32|F16>', 'of the saved captioner; F16 is half the size', precision, 'F32')
    .option(
      '--features-path <folder>',
      'features of the frozen encoder, as the command features makes them (default: kept in your cache)',
    )
    .option('--seed <number>', 'of everything random', wholeFrom(0), 0)
    .option('--json', 'print one JSON object per epoch on standard output')
    .addHelpText(
      'after',
      `
Examples:
  $ tfjs-captioning train --data-path flickr8k --model-path runs/first
  $ tfjs-captioning train --data-path flickr8k --model-path runs/first --epochs 10 --resume
  $ tfjs-captioning train --data-path flickr8k --model-path runs/tuned --epochs 9 --fine-tune-from 4 --precision F16
  $ tfjs-captioning train --data-path flickr8k --model-path runs/rewarded --from runs/tuned --objective scst:cider
  $ tfjs-captioning train --data-path flickr8k --model-path runs/tasks --model transformer --objective caption+mlm:0.5+itm
  $ tfjs-captioning train --data-path flickr8k --model-path runs/up-down --look between --attention multi-head
  $ tfjs-captioning train --data-path flickr8k --model-path runs/plain --model lstm --injection pre --cell gru
  $ tfjs-captioning train --data-path wit --model-path runs/pages --model transformer --metadata page_title,section_title
  $ tfjs-captioning train --data-path flickr8k --model-path runs/finder --model dual-encoder --epochs 12`,
    )
    .action(async (options: GivenOptions, command: Command) => {
      const given = (name: string) => command.getOptionValueSource(name) === 'cli';
      const merged = withDefaults({ ...options, ...(await resumedOptions(options, command)) });
      expectSensible(merged, given);
      await runTraining(merged);
    });
}

/** What an option does, and what it is by default, of each model where they differ. */
function by(name: keyof (typeof modelDefaults)['transformer'], does: string): string {
  const [usual, ...others] = MODELS.map((model) => ({ model, value: modelDefaults[model][name] }));
  const different = others
    .filter(({ value }) => value !== usual!.value)
    .map(({ model, value }) => `; ${model}: ${value}`);
  return `${does} (default: ${usual!.value}${different.join('')})`;
}

function precision(text: string): 'F32' | 'F16' {
  const name = text.toUpperCase();
  if (name === 'F32' || name === 'F16') return name;
  throw new UsageError(`--precision is ${text} but should be F32 or F16.`);
}

function augmentation(text: string): string {
  parseTransforms(text);
  return text;
}

/** With --resume the options of the run before; giving another value for one of them is an error. */
async function resumedOptions(options: GivenOptions, command: Command): Promise<Partial<RunOptions>> {
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
  const threads = pictureThreads();
  const data = await loadToLearn(options, threads);
  reportData(data);
  if (options.metadata) await expectFields(data.train, options.metadata);
  const backend = describeBackend(await startBackend());
  await mkdir(modelPath, { recursive: true });
  const store = directory(modelPath);
  const resuming = options.resume && (await hasSnapshot(store));
  const { signal } = abortOnInterrupt('Stopping; what is needed to go on will be saved.');
  const { featuresPath } = options;
  const features = featuresPath === undefined ? featureCache(defaultFeatureFolder()) : featureFolder(featuresPath);
  const trainee = await startTrainee(options, data, store, features);
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

  const pictures = { train: data.train.size, dev: data.dev.size };
  const from = resuming ? (await readTrainingState(store)).step : 0;
  const log = await openRunLog(store, { options: notes.options, pictures }, { epochs, from });

  /** Validates, keeps the captioner if it is the best so far, reports; true where patience is at its end. */
  const finish = async (end: Stand): Promise<boolean> => {
    const frozen = !options.fineTuneFrom || end.epoch < options.fineTuneFrom;
    const found = await trainee.validate({ features: frozen ? features : undefined, progress, signal });
    progress.end();
    const score = found?.score ?? end.reward ?? -end.loss;
    const scores = found?.scores ?? {};
    const { epoch, step } = end;
    const { best, improved, exhausted } = judge(notes.best, { epoch, step, score }, { patience });
    const { pending, ...rest } = notes;
    notes = { ...rest, best };
    if (improved) await trainee.save({ options: notes.options, epoch: end.epoch, scores, seconds: seconds(), backend });
    const figures = { ...(end.reward !== undefined && { reward: end.reward }), ...scores, ...found?.losses };
    await log.validated({ epoch, step, seconds: seconds(), best: improved, figures });
    report({ ...end, ...figures, best: improved, seconds: seconds() }, trainee.shown, options);
    return exhausted;
  };
  const finishEpoch = (end: Stand) =>
    averages ? averages.withAverages(trainee.parameters(), () => finish(end)) : finish(end);

  let last: TrainStep | undefined;
  let exhausted = false;
  try {
    if (notes.pending) {
      await readSnapshot(store, trainee.parameters(), optimizer);
      exhausted = await finishEpoch(notes.pending);
    }
    const steps = trainee.train({ ...loopOptionsOf(options), optimizer, ...(resuming && { resume: store }) });
    if (!exhausted)
      for await (const step of steps) {
        last = step;
        progress.show(meter.line(step));
        await log.step(step);
        const within = options.validateEvery !== undefined && step.step % options.validateEvery === 0;
        if (step.lastOfEpoch || within) {
          progress.end();
          const { epoch, learningRate } = step;
          const reward = trainee.rewarded ? { reward: meter.epochReward } : {};
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
      process.stderr.write(`Best after ${placeOf(notes.best!, options)}; the ${trainee.what} is in ${modelPath}.\n`);
    else
      process.stderr.write(
        `Nothing to do: the training in ${modelPath} has had its ${epochs} epochs. Give more with --epochs.\n`,
      );
  } finally {
    progress.end();
    optimizer.dispose();
    trainee.dispose();
    await log.close();
    await features.close();
    await threads.close();
  }
}

function startTrainee(
  options: TrainCommandOptions,
  ...rest: [data: CaptionData, store: Store, features: FeatureCache]
): Promise<Trainee> {
  return options.model === 'dual-encoder' ? dualEncoderTrainee(options, ...rest) : captionerTrainee(options, ...rest);
}

/** The options of the command as those of any training. */
function loopOptionsOf({ epochs, batchSize, accumulate, seed, ...options }: TrainCommandOptions): LoopOptions {
  return {
    ...{ epochs, batchSize, accumulate, seed },
    schedule: cosine({ warmup: options.warmup }),
    clip: { norm: options.clipNorm },
    ...(options.fineTuneFrom && {
      fineTune: {
        fromEpoch: options.fineTuneFrom,
        learningRate: options.encoderLearningRate,
        ...(options.fineTuneAfterStage !== undefined && { afterStage: options.fineTuneAfterStage }),
      },
    }),
  };
}

function reportData(data: Awaited<ReturnType<typeof loadToLearn>>): void {
  const { layout, train, dev, test, problems, cleaning, mixture } = data;
  process.stderr.write(
    `Data: ${layout}, ${train.size} training, ${dev.size} development, ${test.size} test pictures; ${problems.length} rows left out (data check names them)\n`,
  );
  for (const { path, layout, pictures, leftOut, weight } of mixture ?? [])
    process.stderr.write(
      `  ${path}: ${layout}, ${pictures} training pictures, weight ${weight}${leftOut > 0 ? `; ${leftOut} left out that ${mixture![0]!.path} is evaluated on` : ''}\n`,
    );
  if (mixture) process.stderr.write(`Validated on the development pictures of ${mixture[0]!.path} alone.\n`);
  if (cleaning) process.stderr.write(`Cleaned: ${cleaning.kept} of ${cleaning.captions} training captions are left\n`);
}

const placeOf = ({ epoch, step }: { epoch: number; step: number }, { validateEvery }: TrainCommandOptions) =>
  `epoch ${epoch}${validateEvery === undefined ? '' : `, step ${step}`}`;

/** One line per validation for people, and one JSON object for programs. */
function report(
  epoch: Stand & { best: boolean; seconds: number; [metric: string]: number | boolean },
  shown: readonly string[],
  options: TrainCommandOptions,
): void {
  const scores = shown.flatMap((name) => (name in epoch ? [`${name} ${(epoch[name] as number).toFixed(4)}`] : []));
  const learned = epoch.reward === undefined ? `loss ${epoch.loss.toFixed(3)}` : `reward ${epoch.reward.toFixed(3)}`;
  const parts = [placeOf(epoch, options), learned, ...scores, duration(epoch.seconds)];
  process.stderr.write(`${[...parts, ...(epoch.best ? ['best so far, saved'] : [])].join(', ')}\n`);
  if (options.json) process.stdout.write(`${JSON.stringify(epoch)}\n`);
}
