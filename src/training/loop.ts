import * as tf from '@tensorflow/tfjs';
import { warnIfPlainCpu } from '../backends/warnIfPlainCpu';
import { DataError, expectPositive, expectWhole, UsageError } from '../core/errors';
import { Random } from '../core/random';
import type { Dataset, Example } from '../data/types';
import type { Store } from '../io/types';
import { addGradients, clipByValue, clipFactor, type Gradients, type Parameters } from './gradients';
import { adamW, fromTfjs, type Optimizer } from './optimizers';
import { cosine, type Schedule } from './schedules';
import { readSnapshot, writeSnapshot } from './snapshot';

/** How steps follow each other, whatever is trained. */
export type LoopOptions = {
  /** `adamW(rate)`, `adam(rate)`, or a tfjs optimizer (without schedule). */
  optimizer?: Optimizer | tf.Optimizer;
  epochs?: number;
  /** Pictures per step. */
  batchSize?: number;
  /** The factor on the learning rate over the run. */
  schedule?: Schedule;
  /** Largest joint norm of the gradients, or largest absolute value of each number; `false` does not clip. */
  clip?: { norm: number } | { value: number } | false;
  /** Batches whose gradients are averaged into one step of the optimizer. */
  accumulate?: number;
  /** Train the encoder too, from this epoch on (epochs count from 1), at its own learning rate. */
  fineTune?: {
    fromEpoch: number;
    learningRate: number;
    /** Train only what follows this stage of the encoder: `features` then keep what comes before, which is computed once. */
    afterStage?: number;
  };
  /** Decides the order of the pictures and all else that is random. */
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

/** Where a batch stands in a run. */
export type BatchPlace = {
  /** Batches before it since the beginning. */
  index: number;
  /** Epochs before this one. */
  epoch: number;
  /** Whether the encoder is trained by it. */
  tuned: boolean;
  /** Of the whole run: fork it by a name, then by `index` or `epoch`. */
  random: Random;
};

/** What one batch taught; the gradients belong to the loop. */
export type Learned = Pick<TrainStep, 'loss' | 'crossEntropy' | 'captions' | 'figures'> & { grads: Gradients };

/** What is trained, and how a batch teaches it. */
export type Course<Batch> = {
  /** All that the optimizer changes and snapshots keep; names of the encoder's begin with `encoder`. */
  parameters: Parameters;
  /** What a resumed training must have the same, beside what the loop knows of. */
  settings: Readonly<Record<string, unknown>>;
  /** Reads what a batch needs; called while the batch before it computes. */
  read(examples: Example[], place: BatchPlace): Promise<Batch>;
  /** One of `parts` batches of the step that comes after `stepsDone`; loss and gradients are divided by `parts`. */
  learn(
    batch: Batch,
    place: BatchPlace,
    step: { parts: number; stepsDone: number; totalSteps: number },
  ): Promise<Learned>;
};

/** What everything random of a run is drawn from. */
export const runRandom = (seed: number): Random => new Random(seed).fork('train');

export type LoopSettings = ReturnType<typeof loopSettings>;

/** Options with their defaults, refused where they cannot be meant. */
export function loopSettings(options: LoopOptions) {
  const {
    epochs = 6,
    batchSize = 20,
    accumulate = 1,
    seed = 0,
    clip = { norm: 5 },
    fineTune,
    resume,
    signal,
  } = options;
  for (const [name, value] of Object.entries({ epochs, batchSize, accumulate })) expectWhole(name, value, 1);
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
  const ownsOptimizer = options.optimizer === undefined;
  return { epochs, batchSize, accumulate, seed, clip, fineTune, resume, signal, optimizer, ownsOptimizer, schedule };
}

/**
 * Walks a data set in a new order every epoch and yields after every step of the optimizer.
 *
 * Everything random follows from `seed` and the number of the batch, so a run resumed from a snapshot does what the
 * uninterrupted one would have done.
 *
 * @throws DataError where there is nothing to train on, or the loss is no longer a number; UsageError where a run is resumed
 * with other settings
 */
export async function* trainingSteps<Batch>(
  course: Course<Batch>,
  data: Dataset,
  settings: LoopSettings,
): AsyncGenerator<TrainStep, void, undefined> {
  try {
    yield* steps(course, data, settings);
  } finally {
    if (settings.ownsOptimizer) settings.optimizer.dispose();
  }
}

async function* steps<Batch>(
  course: Course<Batch>,
  data: Dataset,
  settings: LoopSettings,
): AsyncGenerator<TrainStep, void, undefined> {
  const { epochs, batchSize, accumulate, schedule, clip, fineTune, seed, resume, signal, optimizer } = settings;
  const { parameters } = course;
  if (data.size === 0) throw new DataError('There is no example to train on. Is the split empty?');
  warnIfPlainCpu();
  const random = runRandom(seed);
  const batchesPerEpoch = Math.ceil(data.size / batchSize);
  const stepsPerEpoch = Math.ceil(batchesPerEpoch / accumulate);
  const totalSteps = epochs * stepsPerEpoch;
  const fixed = { seed, batchSize, accumulate, pictures: data.size, ...course.settings };
  let done = 0;
  if (resume) {
    const state = await readSnapshot(resume, parameters, optimizer);
    expectSame(state.settings, fixed, resume);
    done = state.step;
  }

  let order = { epoch: -1, pictures: [] as number[] };
  const placeOf = (index: number): BatchPlace => {
    const epoch = Math.floor(index / batchesPerEpoch);
    return { index, epoch, tuned: fineTune !== undefined && epoch + 1 >= fineTune.fromEpoch, random };
  };
  const batchOf = async (index: number): Promise<Batch> => {
    const place = placeOf(index);
    const { epoch } = place;
    if (order.epoch !== epoch)
      order = {
        epoch,
        pictures: random
          .fork('order')
          .fork(epoch)
          .shuffle([...data.ids.keys()]),
      };
    const first = (index % batchesPerEpoch) * batchSize;
    const chosen = order.pictures.slice(first, first + batchSize);
    return course.read(await Promise.all(chosen.map((i) => data.at(i))), place);
  };

  let upcoming: Promise<Batch> | undefined;
  for (let step = done + 1; step <= totalSteps; step++) {
    signal?.throwIfAborted();
    const epoch = Math.ceil(step / stepsPerEpoch);
    const place = (step - 1) % stepsPerEpoch;
    const first = (epoch - 1) * batchesPerEpoch + place * accumulate;
    const last = Math.min(first + accumulate, epoch * batchesPerEpoch);
    const parts = last - first;
    let sum: Gradients = new Map();
    const losses = { loss: 0, crossEntropy: 0, captions: 0 };
    const figures: Record<string, number> = {};
    try {
      for (let index = first; index < last; index++) {
        const batch = await (upcoming ?? batchOf(index));
        // The next pictures are read while this batch computes.
        upcoming = index + 1 < epochs * batchesPerEpoch ? batchOf(index + 1) : undefined;
        upcoming?.catch(() => {}); // reported when it is awaited
        const learned = await course.learn(batch, placeOf(index), { parts, stepsDone: step - 1, totalSteps });
        sum = addGradients(sum, learned.grads);
        losses.crossEntropy += learned.crossEntropy / parts;
        losses.loss += learned.loss;
        losses.captions += learned.captions;
        for (const [name, value] of Object.entries(learned.figures))
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
