import type * as tf from '@tensorflow/tfjs';
import type { Dropout } from '../core/dropout';
import type { LinearParams } from '../core/linear';
import type { Tree } from '../core/tree';

/**
 * What a step returns: logits [rows, vocabSize], the state after it, where it looked, [rows, positions], and what the last
 * layer reads, [rows, hiddenSize], which contrastive search compares.
 */
export type Step<State extends Tree> = {
  logits: tf.Tensor2D;
  state: State;
  weights?: tf.Tensor2D;
  hidden?: tf.Tensor2D;
};

/**
 * One word at a time. `state` differs per hypothesis and is reordered by search; `memory` differs per image and never
 * changes. The first axis is that of the rows in every tensor of the state, and that of the images in every tensor of the
 * memory. Neither is kept inside the decoder, so a decoder can serve many searches at once.
 */
export interface Decoder<State extends Tree, Memory extends Tree> {
  /** One row per image; where captions go on from a prompt, it has read all of the prompt but the last token. */
  initialState(memory: Memory): State;
  /**
   * @param tokens - [rows] of int32; rows are a multiple of images, and those of one image stand together: row r looks at
   * image floor(r * images / rows), without the memory being repeated
   */
  step(tokens: tf.Tensor1D, state: State, memory: Memory): Step<State>;
}

/** logits [wanted, vocabSize]; weights [rows, time, positions] where the decoder attends, zero after what is wanted */
export type TeacherForced = {
  readonly logits: tf.Tensor2D;
  weights?: tf.Tensor3D;
  /** Where attention draws positions: 1 at each that was drawn, [rows, time, positions]. */
  chosen?: tf.Tensor3D;
  /**
   * Where the last layer is a linear one, what it reads [wanted, hiddenSize] and the layer. `logits` are then computed
   * when they are asked for, and a loss can do without having all of them at once.
   */
  last?: { hidden: tf.Tensor2D; output: LinearParams };
};

/** A decoder that can be trained: it reads whole captions at once. */
export interface TrainableDecoder<State extends Tree, Memory extends Tree> extends Decoder<State, Memory> {
  readonly params: Tree;
  /** Whether it heeds `locked` of dropout. */
  readonly locksDropout?: boolean;
  /**
   * features [images, positions, featureSize] -> the memory that steps look at
   *
   * @param drop - dropout of this training step
   */
  remember(features: tf.Tensor3D, drop?: Dropout): Memory;
  /**
   * Every next word, given the true words before it.
   *
   * @param tokens - [rows, time] of int32, rows a multiple of images: the captions of one picture stand together
   * @param options.wanted - int32 indices row * time + t of the places whose logits are wanted; all without it
   * @param options.drop - dropout of this training step
   */
  teacherForced(tokens: tf.Tensor2D, memory: Memory, options?: { wanted?: tf.Tensor1D; drop?: Dropout }): TeacherForced;
  dispose(): void;
}
