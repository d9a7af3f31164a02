import type * as tf from '@tensorflow/tfjs';
import type { Captioner } from '../captioner';
import type { Dropout } from '../core/dropout';
import type { Random } from '../core/random';
import type { Tree } from '../core/tree';
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

/** What a training step sees of a batch, on the tape. */
export type Seen = {
  /** [images, positions, featureSize]; with gradients while the encoder is trained */
  features: tf.Tensor3D;
  /** What the decoder remembers of them. */
  memory: Tree;
  drop: Dropout;
};

/** A term of the loss, whose value is told among the figures where it has a name. */
export type Term = { name?: string; loss: tf.Scalar; weight: number };

/** Captions to read word by word in one pass, and the loss of that pass; other things to learn in the same step. */
export type Lesson = {
  /** The captions of one picture stand together. */
  captions: CaptionBatch;
  /**
   * Without it captions are not said at all.
   *
   * @param targets - the words that `captions` wants, [wanted] of int32
   */
  loss?(pass: TeacherForced, targets: tf.Tensor1D): tf.Scalar;
  /** What is learned beside the words of captions. */
  beside?(seen: Seen): Term[];
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
  /** Whether it lays the captions out itself. What changes those of `train` is refused then: a maximum of their length, words drawn or unknown. */
  readonly ownLayout?: boolean;
  /** What is trained beside the captioner, such as the head of a task; it stays whose it was. */
  readonly params?: Tree;
  lesson(given: LessonInput): Promise<Lesson>;
};
