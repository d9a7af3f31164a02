import type * as tf from '@tensorflow/tfjs';
import type { Dropout } from '../core/dropout';
import type { LinearParams } from '../core/linear';
import type { Tree } from '../core/tree';

/** What a step returns: logits [batch, vocabSize], the state after it, and where it looked, [batch, positions]. */
export type Step<State extends Tree> = { logits: tf.Tensor2D; state: State; weights?: tf.Tensor2D };

/**
 * One word at a time. `state` differs per hypothesis and is reordered by search; `memory` differs per image
 * and never changes. The first axis of every tensor in both is the batch. Neither is kept inside the decoder, so a
 * decoder can serve many searches at once.
 */
export interface Decoder<State extends Tree, Memory extends Tree> {
  initialState(memory: Memory): State;
  /** tokens [batch] of int32 -> logits [batch, vocabSize] and the state after reading them. */
  step(tokens: tf.Tensor1D, state: State, memory: Memory): Step<State>;
}

/** logits [wanted, vocabSize]; weights [rows, time, positions] where the decoder attends, zero after what is wanted */
export type TeacherForced = {
  readonly logits: tf.Tensor2D;
  weights?: tf.Tensor3D;
  /**
   * Where the last layer is a linear one, what it reads [wanted, hiddenSize] and the layer. `logits` are then computed
   * when they are asked for, and a loss can do without having all of them at once.
   */
  last?: { hidden: tf.Tensor2D; output: LinearParams };
};

/** A decoder that can be trained: it reads whole captions at once. */
export interface TrainableDecoder<State extends Tree, Memory extends Tree> extends Decoder<State, Memory> {
  readonly params: Tree;
  /** features [images, positions, featureSize] -> the memory that steps look at */
  remember(features: tf.Tensor3D): Memory;
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
