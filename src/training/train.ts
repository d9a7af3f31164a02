import * as tf from '@tensorflow/tfjs';
import { type Captioner, pixelTensor } from '../captioner';
import { DataError, expectWhole, UsageError } from '../core/errors';
import { parametersOf } from '../core/parameters';
import type { Random } from '../core/random';
import { leaves } from '../core/tree';
import type { Augmentation } from '../data/augment/types';
import { normalisePixels } from '../data/pixels';
import type { Dataset, Example } from '../data/types';
import type { DividedEncoder, Encoder } from '../encoders/types';
import { type CaptionBatch, captionBatch } from './captionBatch';
import { type FeatureCache, type FeatureReader, featureReader, pixelsOf } from './features';
import type { Parameters } from './gradients';
import { lessonGradients } from './lessonGradients';
import { type BatchPlace, type LoopOptions, loopSettings, type TrainStep, trainingSteps } from './loop';
import { wordLoss } from './losses';
import { drawMixture, expectMixup, type Mixture, mixCaptions, mixFeatures } from './mixup';
import type { Lesson, Objective } from './objective';
import { dropRandom, type Parallel, type PlainBatch } from './parallel';
import { withOwnWords } from './scheduledSampling';
import type { Schedule } from './schedules';
import { dropWords, expectWordDropout } from './wordDropout';

export type { TrainStep };

export type TrainOptions = LoopOptions & {
  /** What is learned, such as `selfCritical({ reward })`. Default: to say the next word of true captions. */
  objective?: Objective;
  /**
   * Captions of each picture per step: one encoding serves them all. A picture with more gives a random choice. With an
   * objective that learns from the captioner's own, so many are made.
   */
  captionsPerImage?: number;
  /** Words of a caption that are learned; what is longer is cut. */
  maxLength?: number;
  labelSmoothing?: number;
  /** How often the captioner reads its own words in place of the true ones: a share of the words, at every step. */
  scheduledSampling?: Schedule;
  /** Weight of the doubly stochastic term; 0 leaves it out. Default 1, or 0 where captions are the captioner's own. */
  doublyStochastic?: number;
  /** Where features are kept while the encoder is frozen, so that it sees every picture once. */
  features?: FeatureCache;
  /** How pictures and captions are changed anew in every epoch, such as `augment([flip()])`. */
  augment?: Augmentation;
  /** Alpha of mixup of features, in (0, 1]; see `drawMixture`. */
  mixup?: number;
  /** Share of the words that are read which are unknown instead, in [0, 1). */
  wordDropout?: number;
  /** Drops the same values at all time steps of a caption (`Dropout.locked`); of recurrent captioners alone. */
  lockedDropout?: boolean;
  /**
   * Shares the pictures of every batch out, such as `dataParallel({ workers: 4 })` from the Node entry; the caller's to close. What is
   * learned is the same, but for rounding. Only the words of true captions can be shared: the loss of most objectives belongs to a
   * batch as a whole.
   */
  parallel?: Parallel;
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
  const { objective, captionsPerImage, loop } = settings;
  if (settings.locked && !captioner.decoder.locksDropout)
    throw new UsageError(
      'lockedDropout belongs to recurrent captioners, and this one has no time steps. Leave it out.',
    );
  const ofObjective = parametersOf(objective?.params, 'objective');
  const decoderOnly: Parameters = new Map([...parametersOf(captioner.decoder.params, 'decoder'), ...ofObjective]);
  const parameters: Parameters = new Map([...parametersOf(captioner.encoder.params, 'encoder'), ...decoderOnly]);
  const { fineTune } = loop;
  const divided = fineTune?.afterStage === undefined ? undefined : divide(captioner.encoder, fineTune.afterStage);
  const untouched = new Set(divided && leaves(divided.before.params).values());
  const tuned: Parameters = new Map([...parameters].filter(([, parameter]) => !untouched.has(parameter)));
  const readBefore = divided && featureReader(divided.before, settings.features);
  const readAfter = async (examples: readonly Example[]) => {
    const before = await readBefore!(examples);
    try {
      return tf.tidy(() => divided!.after(before));
    } finally {
      before.dispose();
    }
  };
  const readFeatures: FeatureReader = readBefore
    ? Object.assign(readAfter, { ahead: readBefore.ahead })
    : featureReader(captioner.encoder, settings.features);
  yield* trainingSteps<Batch>(
    {
      parameters,
      settings: { captionsPerImage, ...settings.changes, ...objective?.settings },
      async read(examples, place) {
        const batch = await readBatch(captioner, examples, place, settings, divided === undefined);
        if (!batch.pixels) readFeatures.ahead(batch.examples);
        return batch;
      },
      async learn(batch, { index, random }, { parts, stepsDone, totalSteps }) {
        const features = batch.tuned ? undefined : await featuresOf(batch, readFeatures);
        const before = batch.tuned && readBefore ? await readBefore(batch.examples) : undefined;
        const encode = () => mixedIn(batch, before ? divided!.after(before) : encodePixelsOf(captioner, batch));
        let lesson: Lesson | undefined;
        try {
          const share = settings.scheduledSampling?.(stepsDone, totalSteps);
          const chances = random.fork('objective').fork(index);
          lesson = await lessonOf(captioner, features ?? encode, batch, settings, { share, random: chances });
          const trained = features ? decoderOnly : tuned;
          const { doublyStochastic } = settings;
          if (settings.parallel) {
            const plain: PlainBatch = {
              ...(await seenOf(captioner, batch, features ?? before)),
              kind: features ? 'features' : before ? { afterStage: fineTune!.afterStage! } : 'pixels',
              captions: lesson.captions,
              images: batch.examples.length,
              labelSmoothing: settings.labelSmoothing,
              doublyStochastic,
              dropout: captioner.dropout,
              locked: settings.locked,
              seed: loop.seed,
              index,
              parts,
            };
            const names = [...trained].filter(([, { trainable }]) => trainable).map(([name]) => name);
            const { signal } = loop;
            return await settings.parallel.learn({ captioner, parameters, trained: names, batch: plain, signal });
          }
          const rate = objective?.ownCaptions ? 0 : captioner.dropout;
          const drop = { rate, random: dropRandom(random, index), locked: settings.locked };
          const see = () => features ?? encode();
          return await lessonGradients(captioner, see, lesson, trained, { doublyStochastic, drop, parts });
        } finally {
          features?.dispose();
          before?.dispose();
          lesson?.dispose?.();
        }
      },
    },
    data,
    loop,
  );
}

/** Examples with their captions and, where the whole encoder is trained, their pixels. */
type Batch = {
  captions: CaptionBatch;
  examples: Example[];
  /** Whether the encoder is trained. */
  tuned: boolean;
  pixels?: Float32Array;
  mixture?: Mixture;
};

function divide(encoder: Encoder, stage: number): DividedEncoder {
  if (encoder.divide) return encoder.divide(stage);
  throw new UsageError(
    `An encoder of type ${encoder.config.type} cannot be divided: leave fineTune.afterStage out, and all of it is trained.`,
  );
}

async function readBatch(
  captioner: Captioner,
  given: Example[],
  { index, epoch, tuned, random }: BatchPlace,
  settings: Settings,
  needsPixels: boolean,
): Promise<Batch> {
  const { augment, mixup } = settings;
  const views = random.fork('augment').fork(epoch);
  const examples = augment ? given.map((example) => augment.apply(example, views.fork(example.id).seed)) : given;
  const mixing = random.fork('mixup').fork(index);
  const mixture = mixup === undefined ? undefined : drawMixture(examples.length, mixup, mixing);
  const chosen = captionsOf(captioner, examples, settings, random.fork('captions').fork(epoch));
  const mixed = mixture ? mixCaptions(chosen, mixture, mixing) : chosen;
  const laidOut = captionBatch(mixed.flat(), captioner.tokenizer, settings.maxLength);
  const dropping = random.fork('wordDropout').fork(index);
  const captions = dropWords(laidOut, settings.wordDropout, captioner.tokenizer, dropping);
  const batch = { captions, examples, tuned, ...(mixture && { mixture }) };
  if (!tuned || !needsPixels) return batch;
  const { encoder } = captioner;
  const pictures = await Promise.all(examples.map((example) => pixelsOf(example, encoder)));
  return { ...batch, pixels: normalisePixels(pictures, encoder.preprocessing) };
}

/** [images, positions, featureSize] through the frozen encoder; belongs to the caller. */
async function featuresOf({ examples, mixture }: Batch, read: FeatureReader): Promise<tf.Tensor3D> {
  const features = await read(examples);
  if (!mixture) return features;
  try {
    return tf.tidy(() => mixFeatures(features, mixture));
  } finally {
    features.dispose();
  }
}

/** [images, positions, featureSize] through the encoder that is trained, on the tape. */
const encodePixelsOf = ({ encoder }: Captioner, { pixels }: Batch) => encoder.encode(pixelTensor(encoder, pixels!));

const mixedIn = ({ mixture }: Batch, features: tf.Tensor3D) => (mixture ? mixFeatures(features, mixture) : features);

/** What is seen of a batch, as plain values: the features that are there, or else the pixels. */
async function seenOf(
  { encoder }: Captioner,
  { pixels }: Batch,
  features: tf.Tensor3D | undefined,
): Promise<Pick<PlainBatch, 'seen' | 'shape'>> {
  if (!features) return { seen: pixels!, shape: [...encoder.preprocessing.size, 3] };
  return { seen: (await features.data()) as Float32Array, shape: features.shape.slice(1) };
}

type Settings = ReturnType<typeof checked>;

/** Options with their defaults, refused where they cannot be meant. */
function checked(options: TrainOptions) {
  const { objective, scheduledSampling, features, signal, captionsPerImage = 5, maxLength = 24 } = options;
  const { augment, mixup, wordDropout = 0, parallel, lockedDropout: locked = false } = options;
  expectWordDropout(wordDropout);
  const { labelSmoothing = 0, doublyStochastic = objective?.ownCaptions ? 0 : 1 } = options;
  const loop = loopSettings(options);
  expectWhole('captionsPerImage', captionsPerImage, 1);
  expectWhole('maxLength', maxLength, 1);
  if (!(labelSmoothing >= 0 && labelSmoothing < 1))
    throw new UsageError(`labelSmoothing is ${labelSmoothing} but should be within 0 and 1, such as 0.1.`);
  if (!(doublyStochastic >= 0))
    throw new UsageError(`doublyStochastic is ${doublyStochastic} but should be a weight of at least 0.`);
  if (mixup !== undefined) expectMixup(mixup);
  if (mixup !== undefined && objective)
    throw new UsageError('mixup belongs to learning from true captions alone: leave it out, or the objective.');
  if (parallel && objective)
    throw new UsageError(
      'Only the words of true captions can be shared out: an objective looks at a batch as a whole. Leave parallel out, or the objective.',
    );
  if (parallel && mixup !== undefined && loop.fineTune)
    throw new UsageError(
      'Pictures that are mixed while the encoder is trained cannot be shared out. Leave parallel out, mixup, or fineTune.',
    );
  if (objective?.ownCaptions)
    for (const name of ['labelSmoothing', 'maxLength', 'scheduledSampling', 'wordDropout', 'lockedDropout'] as const)
      if (options[name])
        throw new UsageError(
          `${name} belongs to learning from true captions, but this objective learns from the captioner's own. Leave it out.`,
        );
  if (objective?.ownLayout)
    for (const name of ['maxLength', 'scheduledSampling', 'wordDropout'] as const)
      if (options[name])
        throw new UsageError(
          `${name} changes the captions that train lays out, but this objective lays them out itself. Leave it out, or give it to the objective where that takes it.`,
        );
  return {
    ...{ loop, objective, scheduledSampling, captionsPerImage, maxLength, labelSmoothing, doublyStochastic },
    ...{ features, signal, augment, mixup, wordDropout, parallel, locked },
    changes: {
      ...(augment && { augment: augment.description }),
      ...(mixup !== undefined && { mixup }),
      ...(wordDropout > 0 && { wordDropout }),
      ...(locked && { lockedDropout: locked }),
    },
  };
}

/** Tokens of `captionsPerImage` of each picture: in turn where there are fewer, a seeded choice where there are more. */
function captionsOf(
  captioner: Captioner,
  examples: readonly Example[],
  settings: Settings,
  random: Random,
): number[][][] {
  const { captionsPerImage } = settings;
  return examples.map(({ id, captions }) => {
    if (captions.length === 0) throw new DataError(`Example ${id} has no caption. Leave it out of the training split.`);
    const order = captions.length > captionsPerImage ? random.fork(id).shuffle(captions) : captions;
    return Array.from({ length: captionsPerImage }, (_, i) => captioner.tokenizer.encode(order[i % order.length]!));
  });
}

/** What a batch teaches; belongs to the caller. */
async function lessonOf(
  captioner: Captioner,
  given: tf.Tensor3D | (() => tf.Tensor3D),
  batch: Batch,
  { objective, scheduledSampling, captionsPerImage, labelSmoothing, signal }: Settings,
  { share, random }: { share: number | undefined; random: Random },
): Promise<Lesson> {
  const { captions, examples } = batch;
  const plain: Lesson = { captions, loss: (pass, targets) => wordLoss(pass, targets, labelSmoothing) };
  if (!objective && !scheduledSampling) return plain;
  const made = typeof given === 'function';
  const features = made ? tf.tidy(given) : given;
  try {
    const read = share ? await withOwnWords(captioner.decoder, features, captions, { share, random }) : captions;
    const context = { captioner, features, examples, captions: read, captionsPerImage, labelSmoothing, random, signal };
    return objective ? await objective.lesson(context) : { ...plain, captions: read };
  } finally {
    if (made) features.dispose();
  }
}
