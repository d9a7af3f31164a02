import type * as tf from '@tensorflow/tfjs';
import type { Captioner } from '../captioner';
import type { Random } from '../core/random';
import type { Example } from '../data/types';
import type { TeacherForced } from '../decoders/types';
import type { CaptionBatch } from './captionBatch';

/** What there is to learn from in one batch. */
export type LessonInput = {
  captioner: Captioner;
  /** [images, positions, featureSize]; stays the caller's */
  features: tf.Tensor3D;
  examples: readonly Example[];
  /** `captionsPerImage` true captions of every picture. */
  captions: CaptionBatch;
  captionsPerImage: number;
  labelSmoothing: number;
  /** Of this batch alone. */
  random: Random;
  signal: AbortSignal | undefined;
};

/** Captions to read word by word in one pass, and the loss of that pass. */
export type Lesson = {
  /** The captions of one picture stand together. */
  captions: CaptionBatch;
  /** @param targets - the words that `captions` wants, [wanted] of int32 */
  loss(pass: TeacherForced, targets: tf.Tensor1D): tf.Scalar;
  /** What to tell of this batch, such as the mean reward. */
  figures?: Readonly<Record<string, number>>;
  dispose?(): void;
};

/** What a training teaches, batch by batch. Without one, `train` teaches the words of true captions. */
export type Objective = {
  /** What a resumed training must have the same. */
  readonly settings: Readonly<Record<string, string | number>>;
  /**
   * Whether it learns from captions that the captioner made itself. Then the pass has no dropout, so that it is the captioner
   * that made them, and what changes the learning from true captions is refused: label smoothing, a maximum of their
   * length, scheduled sampling. The doubly stochastic term is left out unless it is asked for.
   */
  readonly ownCaptions: boolean;
  lesson(given: LessonInput): Promise<Lesson>;
};
