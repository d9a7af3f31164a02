import type * as tf from '@tensorflow/tfjs';
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
