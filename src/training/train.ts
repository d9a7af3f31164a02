import * as tf from '@tensorflow/tfjs';
import { warnIfPlainCpu } from '../backends/warnIfPlainCpu';
import { type Captioner, pixelTensor } from '../captioner';
import { DataError, expectPositive, expectWhole, UsageError } from '../core/errors';
import { parametersOf } from '../core/parameters';
import { Random } from '../core/random';
import { normalisePixels } from '../data/pixels';
import type { Dataset, Example } from '../data/types';
import type { Store } from '../io/types';
import { type CaptionBatch, captionBatch } from './captionBatch';
import { type FeatureCache, featureReader, pixelsOf } from './features';
import { addGradients, clipByValue, clipFactor, type Gradients, gradients, type Parameters } from './gradients';
import { doublyStochastic, wordLoss } from './losses';
import type { Lesson, Objective } from './objective';
import { adamW, fromTfjs, type Optimizer } from './optimizers';
import { withOwnWords } from './scheduledSampling';
import { cosine, type Schedule } from './schedules';
import { readSnapshot, writeSnapshot } from './snapshot';

export type TrainOptions = {
  /** What is learned, such as `selfCritical({ reward })`. Default: to say the next word of true captions. */
  objective?: Objective;
  /** `adamW(rate)`, `adam(rate)`, or a tfjs optimizer (without schedule). */
  optimizer?: Optimizer | tf.Optimizer;
  epochs?: number;
  /** Pictures per step. */
  batchSize?: number;
  /**
   * Captions of each picture per step: one encoding serves them all. A picture with more gives a random choice. With an
   * objective that learns from the captioner's own, so many are made.
   */
  captionsPerImage?: number;
  /** Words of a caption that are learned; what is longer is cut. */
  maxLength?: number;
  /** The factor on the learning rate over the run. */
  schedule?: Schedule;
  labelSmoothing?: number;
  /** How often the captioner reads its own words in place of the true ones: a share of the words, at every step. */
  scheduledSampling?: Schedule;
  /** Weight of the doubly stochastic term; 0 leaves it out. Default 1, or 0 where captions are the captioner's own. */
  doublyStochastic?: number;
  /** Largest joint norm of the gradients, or largest absolute value of each number; `false` does not clip. */
  clip?: { norm: number } | { value: number } | false;
  /** Batches whose gradients are averaged into one step of the optimizer. */
  accumulate?: number;
  /** Train the encoder too, from this epoch on (epochs count from 1), at its own learning rate. */
  fineTune?: { fromEpoch: number; learningRate: number };
  /** Where features are kept while the encoder is frozen, so that it sees every picture once. */
  features?: FeatureCache;
  /** Decides the order of the pictures, the choice of captions and dropout. */
  seed?: number;
  /** Go on from the last snapshot in this store. */
  resume?: Store;
  signal?: AbortSignal;
};

export type TrainStep = {
  /** Counts from 1. */
  epoch: number;
  /** Steps done since the beginning, counts from 1. */
  step: number;
  totalSteps: number;
  lastOfEpoch: boolean;
  /** Cross-entropy in nats per word, or the loss of the objective, plus the doubly stochastic term. */
  loss: number;
  /** The same without the doubly stochastic term. */
  crossEntropy: number;
  /** What the objective tells of this step: the mean reward, for example. */
  figures: Readonly<Record<string, number>>;
  /** Joint norm of the gradients before clipping; absent without clipping by norm. */
  gradientNorm?: number;
  learningRate: number;
  /** Captions learned from in this step. */
  captions: number;
  /** Writes everything that is needed to go on after this step; `notes` come back from `readTrainingState`. */
  snapshot(store: Store, notes?: Record<string, unknown>): Promise<void>;
};

/**
 * Teaches a captioner to say the next word of true captions (teacher forcing), or what `objective` says, and yields after
 * every step.
 *
 * It neither logs nor saves: that is the caller's loop. Everything random follows from `seed` and the number of the
 * step, so a run resumed from a snapshot does what the uninterrupted one would have done.
 *
 * @throws UsageError for options that cannot be meant; DataError for a picture that cannot be read, or where the loss
 * is no longer a number
 */
export async function* train(
  captioner: Captioner,
  data: Dataset,
  options: TrainOptions = {},
): AsyncGenerator<TrainStep, void, undefined> {
  const settings = checked(options);
  try {
    yield* steps(captioner, data, settings, options.resume);
  } finally {
    if (!options.optimizer) settings.optimizer.dispose();
  }
}

async function* steps(
  captioner: Captioner,
  data: Dataset,
  settings: Settings,
  resume: Store | undefined,
): AsyncGenerator<TrainStep, void, undefined> {
  const { epochs, batchSize, accumulate, schedule, clip, fineTune, seed, signal, optimizer } = settings;
  if (data.size === 0) throw new DataError('There is no example to train on. Is the split empty?');
  warnIfPlainCpu();
  const parameters: Parameters = new Map([
    ...parametersOf(captioner.encoder.params, 'encoder'),
    ...parametersOf(captioner.decoder.params, 'decoder'),
  ]);
  const decoderOnly: Parameters = new Map([...parameters].filter(([name]) => name.startsWith('decoder')));
  const readFeatures = featureReader(captioner.encoder, settings.features);
  const random = new Random(seed).fork('train');

  const batchesPerEpoch = Math.ceil(data.size / batchSize);
  const stepsPerEpoch = Math.ceil(batchesPerEpoch / accumulate);
  const totalSteps = epochs * stepsPerEpoch;
  const { objective, captionsPerImage } = settings;
  const fixed = { seed, batchSize, accumulate, captionsPerImage, pictures: data.size, ...objective?.settings };
  let done = 0;
  if (resume) {
    const state = await readSnapshot(resume, parameters, optimizer);
    expectSame(state.settings, fixed, resume);
    done = state.step;
  }

  let order = { epoch: -1, pictures: [] as number[] };
  const batchOf = async (index: number): Promise<Batch> => {
    const epoch = Math.floor(index / batchesPerEpoch);
    const place = index % batchesPerEpoch;
    if (order.epoch !== epoch)
      order = {
        epoch,
        pictures: random
          .fork('order')
          .fork(epoch)
          .shuffle([...data.ids.keys()]),
      };
    const chosen = order.pictures.slice(place * batchSize, (place + 1) * batchSize);
    const examples = await Promise.all(chosen.map((i) => data.at(i)));
    const tuned = fineTune !== undefined && epoch + 1 >= fineTune.fromEpoch;
    const captions = captionsOf(captioner, examples, settings, random.fork('captions').fork(epoch));
    if (!tuned) return { captions, examples };
    return {
      captions,
      examples,
      pixels: normalisePixels(
        await Promise.all(examples.map((example) => pixelsOf(example, captioner.encoder))),
        captioner.encoder.preprocessing,
      ),
    };
  };

  let upcoming: Promise<Batch> | undefined;
  for (let step = done + 1; step <= totalSteps; step++) {
    signal?.throwIfAborted();
    const epoch = Math.ceil(step / stepsPerEpoch);
    const place = (step - 1) % stepsPerEpoch;
    const first = (epoch - 1) * batchesPerEpoch + place * accumulate;
    const last = Math.min(first + accumulate, epoch * batchesPerEpoch);
    let sum: Gradients = new Map();
    const losses = { loss: 0, crossEntropy: 0, captions: 0 };
    const figures: Record<string, number> = {};
    try {
      for (let index = first; index < last; index++) {
        const batch = await (upcoming ?? batchOf(index));
        // The next pictures are read while this batch computes.
        upcoming = index + 1 < epochs * batchesPerEpoch ? batchOf(index + 1) : undefined;
        upcoming?.catch(() => {}); // reported when it is awaited
        const parts = last - first;
        const features = batch.pixels ? undefined : await readFeatures(batch.examples);
        let lesson: Lesson | undefined;
        let found: ReturnType<typeof lossAndGradients>;
        try {
          const share = settings.scheduledSampling?.(step - 1, totalSteps);
          const chances = random.fork('objective').fork(index);
          lesson = await lessonOf(captioner, features, batch, settings, { share, random: chances });
          const drop = {
            rate: objective?.ownCaptions ? 0 : captioner.dropout,
            random: random.fork('dropout').fork(index),
          };
          const trained = features ? decoderOnly : parameters;
          found = lossAndGradients(captioner, features, batch.pixels, lesson, trained, settings, drop, parts);
        } finally {
          features?.dispose();
          lesson?.dispose?.();
        }
        sum = addGradients(sum, found.grads);
        const [ce, total] = await Promise.all([found.crossEntropy.data(), found.loss.data()]);
        tf.dispose([found.crossEntropy, found.loss]);
        losses.crossEntropy += ce[0]! / parts;
        losses.loss += total[0]!;
        losses.captions += lesson.captions.rows;
        for (const [name, value] of Object.entries(lesson.figures ?? {}))
          figures[name] = (figures[name] ?? 0) + value / parts;
      }
      expectFinite('loss', losses.loss, step, epoch);
      const factor = schedule(step - 1, totalSteps);
      const encoderFactor = (fineTune?.learningRate ?? 0) / optimizer.learningRate;
      const scale = (name: string) => (name.startsWith('encoder') ? encoderFactor * factor : factor);
      let gradientNorm: number | undefined;
      if (clip && 'norm' in clip) {
        const scalars = clipFactor(sum, clip.norm);
        try {
          gradientNorm = (await scalars.norm.data())[0]!;
          expectFinite('norm of the gradients', gradientNorm, step, epoch);
          optimizer.apply(parameters, sum, scale, scalars.factor);
        } finally {
          tf.dispose(scalars);
        }
      } else {
        if (clip) sum = clipByValue(sum, clip.value);
        optimizer.apply(parameters, sum, scale);
      }
      yield {
        epoch,
        step,
        totalSteps,
        lastOfEpoch: place === stepsPerEpoch - 1,
        ...losses,
        figures,
        ...(gradientNorm !== undefined && { gradientNorm }),
        learningRate: optimizer.learningRate * factor,
        snapshot: (store, notes = {}) => writeSnapshot(store, parameters, optimizer, { step, settings: fixed, notes }),
      };
    } finally {
      tf.dispose([...sum.values()]);
    }
  }
}

/** Examples with their captions and, where the encoder is trained, their pixels. */
type Batch = { captions: CaptionBatch; examples: Example[]; pixels?: Float32Array };

type Settings = ReturnType<typeof checked>;

/** Options with their defaults, refused where they cannot be meant. */
function checked(options: TrainOptions) {
  const { epochs = 6, batchSize = 20, captionsPerImage = 5, maxLength = 24, accumulate = 1, seed = 0 } = options;
  const { objective, scheduledSampling, clip = { norm: 5 }, fineTune, features, signal } = options;
  const { labelSmoothing = 0, doublyStochastic = objective?.ownCaptions ? 0 : 1 } = options;
  for (const [name, value] of Object.entries({ epochs, batchSize, captionsPerImage, maxLength, accumulate }))
    expectWhole(name, value, 1);
  if (!(labelSmoothing >= 0 && labelSmoothing < 1))
    throw new UsageError(`labelSmoothing is ${labelSmoothing} but should be within 0 and 1, such as 0.1.`);
  if (!(doublyStochastic >= 0))
    throw new UsageError(`doublyStochastic is ${doublyStochastic} but should be a weight of at least 0.`);
  if (objective?.ownCaptions)
    for (const name of ['labelSmoothing', 'maxLength', 'scheduledSampling'] as const)
      if (options[name])
        throw new UsageError(
          `${name} belongs to learning from true captions, but this objective learns from the captioner's own. Leave it out.`,
        );
  if (clip) expectPositive('norm' in clip ? 'clip.norm' : 'clip.value', 'norm' in clip ? clip.norm : clip.value);
  if (fineTune) {
    expectWhole('fineTune.fromEpoch', fineTune.fromEpoch, 1);
    expectPositive('fineTune.learningRate', fineTune.learningRate);
  }
  const given = options.optimizer ?? adamW(8e-4);
  const foreign = !('apply' in given);
  if (foreign && (options.schedule || fineTune))
    throw new UsageError('A tfjs optimizer has one fixed rate: schedule and fineTune need adamW(rate) or adam(rate).');
  const optimizer = foreign ? fromTfjs(given) : given;
  const schedule = options.schedule ?? (foreign ? () => 1 : cosine());
  return {
    objective,
    scheduledSampling,
    epochs,
    batchSize,
    captionsPerImage,
    maxLength,
    accumulate,
    seed,
    labelSmoothing,
    doublyStochastic,
    clip,
    fineTune,
    features,
    signal,
    optimizer,
    schedule,
  };
}

/** `captionsPerImage` of each picture: in turn where there are fewer, a seeded choice where there are more. */
function captionsOf(
  captioner: Captioner,
  examples: readonly Example[],
  settings: Settings,
  random: Random,
): CaptionBatch {
  const { captionsPerImage, maxLength } = settings;
  const chosen = examples.flatMap(({ id, captions }) => {
    if (captions.length === 0) throw new DataError(`Example ${id} has no caption. Leave it out of the training split.`);
    const order = captions.length > captionsPerImage ? random.fork(id).shuffle(captions) : captions;
    return Array.from({ length: captionsPerImage }, (_, i) => captioner.tokenizer.encode(order[i % order.length]!));
  });
  return captionBatch(chosen, captioner.tokenizer, maxLength);
}

/** What a batch teaches; belongs to the caller. */
async function lessonOf(
  captioner: Captioner,
  given: tf.Tensor3D | undefined,
  { captions, examples, pixels }: Batch,
  { objective, scheduledSampling, captionsPerImage, labelSmoothing, signal }: Settings,
  { share, random }: { share: number | undefined; random: Random },
): Promise<Lesson> {
  const plain: Lesson = { captions, loss: (pass, targets) => wordLoss(pass, targets, labelSmoothing) };
  if (!objective && !scheduledSampling) return plain;
  const { encoder } = captioner;
  const features = given ?? tf.tidy(() => encoder.encode(pixelTensor(encoder, pixels!)));
  try {
    const read = share ? await withOwnWords(captioner.decoder, features, captions, { share, random }) : captions;
    const context = { captioner, features, examples, captions: read, captionsPerImage, labelSmoothing, random, signal };
    return objective ? await objective.lesson(context) : { ...plain, captions: read };
  } finally {
    if (!given) features.dispose();
  }
}

/** One batch: forward and backward. What is returned belongs to the caller; the loss is divided by `parts`. */
function lossAndGradients(
  captioner: Captioner,
  features: tf.Tensor3D | undefined,
  pixels: Float32Array | undefined,
  lesson: Lesson,
  parameters: Parameters,
  settings: Settings,
  drop: { rate: number; random: Random },
  parts: number,
): { loss: tf.Scalar; crossEntropy: tf.Scalar; grads: Gradients } {
  const { encoder, decoder } = captioner;
  const { rows, time, inputs, targets, wanted, mask } = lesson.captions;
  let words: tf.Scalar | undefined;
  const forward = () => {
    const seen = features ?? encoder.encode(pixelTensor(encoder, pixels!));
    const tokens = tf.tensor2d(inputs, [rows, time], 'int32');
    const pass = decoder.teacherForced(tokens, decoder.remember(seen, drop), {
      wanted: tf.tensor1d(wanted, 'int32'),
      drop,
    });
    const ce = lesson.loss(pass, tf.tensor1d(targets, 'int32'));
    words = tf.keep(ce.clone());
    if (settings.doublyStochastic === 0 || !pass.weights) return tf.div<tf.Scalar>(ce, parts);
    const attention = doublyStochastic(pass.weights, tf.tensor2d(mask, [rows, time]));
    return tf.div<tf.Scalar>(tf.add(ce, tf.mul(attention, settings.doublyStochastic)), parts);
  };
  try {
    const { loss, grads } = gradients(forward, parameters);
    return { loss, crossEntropy: words!, grads };
  } catch (error) {
    words?.dispose();
    throw error;
  }
}

function expectFinite(what: string, value: number, step: number, epoch: number): void {
  if (Number.isFinite(value)) return;
  throw new DataError(
    `The ${what} is ${value} at step ${step} (epoch ${epoch}). Nothing of this step was kept. ` +
      'Lower the learning rate, clip the gradients harder, or go on from the last snapshot with other settings.',
  );
}

function expectSame(before: Record<string, unknown>, now: Record<string, unknown>, store: Store): void {
  const names = new Set([...Object.keys(before), ...Object.keys(now)]);
  const changed = [...names].filter((name) => before[name] !== now[name]);
  if (changed.length === 0) return;
  const list = changed.map((name) => `${name} was ${before[name]} and is ${now[name]}`).join('; ');
  throw new UsageError(
    `The training in ${store.location} cannot go on with other settings: ${list}. Give the same ones, or train anew elsewhere.`,
  );
}
