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
import { gradients, type Parameters } from './gradients';
import { type BatchPlace, type Learned, type LoopOptions, loopSettings, type TrainStep, trainingSteps } from './loop';
import { doublyStochastic, wordLoss } from './losses';
import { drawMixture, expectMixup, type Mixture, mixCaptions, mixFeatures } from './mixup';
import type { Lesson, Objective } from './objective';
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
  const ofObjective = parametersOf(objective?.params, 'objective');
  const decoderOnly: Parameters = new Map([...parametersOf(captioner.decoder.params, 'decoder'), ...ofObjective]);
  const parameters: Parameters = new Map([...parametersOf(captioner.encoder.params, 'encoder'), ...decoderOnly]);
  const { fineTune } = loop;
  const divided = fineTune?.afterStage === undefined ? undefined : divide(captioner.encoder, fineTune.afterStage);
  const untouched = new Set(divided && leaves(divided.before.params).values());
  const tuned: Parameters = new Map([...parameters].filter(([, parameter]) => !untouched.has(parameter)));
  const readBefore = divided && featureReader(divided.before, settings.features);
  const readFeatures: FeatureReader = readBefore
    ? async (examples) => {
        const before = await readBefore(examples);
        try {
          return tf.tidy(() => divided.after(before));
        } finally {
          before.dispose();
        }
      }
    : featureReader(captioner.encoder, settings.features);
  yield* trainingSteps<Batch>(
    {
      parameters,
      settings: { captionsPerImage, ...settings.changes, ...objective?.settings },
      read: (examples, place) => readBatch(captioner, examples, place, settings, divided === undefined),
      async learn(batch, { index, random }, { parts, stepsDone, totalSteps }) {
        const features = batch.tuned ? undefined : await featuresOf(batch, readFeatures);
        const before = batch.tuned && readBefore ? await readBefore(batch.examples) : undefined;
        const encode = () => mixedIn(batch, before ? divided!.after(before) : encodePixelsOf(captioner, batch));
        let lesson: Lesson | undefined;
        try {
          const share = settings.scheduledSampling?.(stepsDone, totalSteps);
          const chances = random.fork('objective').fork(index);
          lesson = await lessonOf(captioner, features ?? encode, batch, settings, { share, random: chances });
          const drop = {
            rate: objective?.ownCaptions ? 0 : captioner.dropout,
            random: random.fork('dropout').fork(index),
          };
          const trained = features ? decoderOnly : tuned;
          const see = () => features ?? encode();
          return await lossAndGradients(captioner, see, lesson, trained, settings, drop, parts);
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

type Settings = ReturnType<typeof checked>;

/** Options with their defaults, refused where they cannot be meant. */
function checked(options: TrainOptions) {
  const { objective, scheduledSampling, features, signal, captionsPerImage = 5, maxLength = 24 } = options;
  const { augment, mixup, wordDropout = 0 } = options;
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
  if (objective?.ownCaptions)
    for (const name of ['labelSmoothing', 'maxLength', 'scheduledSampling', 'wordDropout'] as const)
      if (options[name])
        throw new UsageError(
          `${name} belongs to learning from true captions, but this objective learns from the captioner's own. Leave it out.`,
        );
  return {
    ...{ loop, objective, scheduledSampling, captionsPerImage, maxLength, labelSmoothing, doublyStochastic },
    ...{ features, signal, augment, mixup, wordDropout },
    changes: {
      ...(augment && { augment: augment.description }),
      ...(mixup !== undefined && { mixup }),
      ...(wordDropout > 0 && { wordDropout }),
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

/** One batch: forward and backward. The gradients belong to the caller; they and the loss are divided by `parts`. */
async function lossAndGradients(
  captioner: Captioner,
  see: () => tf.Tensor3D,
  lesson: Lesson,
  parameters: Parameters,
  settings: Settings,
  drop: { rate: number; random: Random },
  parts: number,
): Promise<Learned> {
  const { decoder } = captioner;
  const { rows, time, inputs, targets, wanted, mask } = lesson.captions;
  const told: Record<string, tf.Scalar> = {};
  const tell = (name: string, value: tf.Scalar) => {
    told[name] = tf.keep(tf.clone(value));
  };
  const forward = () => {
    const seen = see();
    const memory = decoder.remember(seen, drop);
    const terms: tf.Scalar[] = [];
    let attention: tf.Scalar | undefined;
    if (lesson.loss) {
      const tokens = tf.tensor2d(inputs, [rows, time], 'int32');
      const pass = decoder.teacherForced(tokens, memory, { wanted: tf.tensor1d(wanted, 'int32'), drop });
      terms.push(lesson.loss(pass, tf.tensor1d(targets, 'int32')));
      if (settings.doublyStochastic > 0 && pass.weights)
        attention = tf.mul(doublyStochastic(pass.weights, tf.tensor2d(mask, [rows, time])), settings.doublyStochastic);
    }
    const others = lesson.beside?.({ features: seen, memory, drop }) ?? [];
    for (const { name, loss, weight } of others) {
      if (name) tell(name, loss);
      terms.push(weight === 1 ? loss : tf.mul(loss, weight));
    }
    const learned = terms.length === 1 ? terms[0]! : (tf.addN(terms) as tf.Scalar);
    tell(LEARNED, learned);
    return tf.div<tf.Scalar>(attention ? tf.add(learned, attention) : learned, parts);
  };
  try {
    const { loss, grads } = gradients(forward, parameters);
    told[WHOLE] = loss;
    const values = await Promise.all(
      Object.entries(told).map(async ([name, value]) => [name, (await value.data())[0]!] as const),
    );
    const { [LEARNED]: crossEntropy, [WHOLE]: whole, ...figures } = Object.fromEntries(values);
    return {
      grads,
      loss: whole!,
      crossEntropy: crossEntropy!,
      captions: rows,
      figures: { ...lesson.figures, ...figures },
    };
  } finally {
    tf.dispose(told);
  }
}

/** Among the names of what is learned: the sum of it, and that with the doubly stochastic term. */
const [LEARNED, WHOLE] = ['(learned)', '(whole)'];
