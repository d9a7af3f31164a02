import * as tf from '@tensorflow/tfjs';
import { uniform } from './init';
import type { Random } from './random';

/**
 * PyTorch's parametrisation, gates in the order reset, update, candidate:
 * input [inputSize, 3 hiddenSize], hidden [hiddenSize, 3 hiddenSize], inputBias and hiddenBias [3 hiddenSize].
 */
export type GRUParams = { input: tf.Tensor2D; hidden: tf.Tensor2D; inputBias: tf.Tensor1D; hiddenBias: tf.Tensor1D };

/** PyTorch's initialisation: all uniform in +-1 / sqrt(hiddenSize). */
export function gruParams(inputSize: number, hiddenSize: number, random: Random): GRUParams {
  const limit = 1 / Math.sqrt(hiddenSize);
  return {
    input: uniform<tf.Rank.R2>([inputSize, 3 * hiddenSize], limit, random.fork('input')),
    hidden: uniform<tf.Rank.R2>([hiddenSize, 3 * hiddenSize], limit, random.fork('hidden')),
    inputBias: uniform<tf.Rank.R1>([3 * hiddenSize], limit, random.fork('inputBias')),
    hiddenBias: uniform<tf.Rank.R1>([3 * hiddenSize], limit, random.fork('hiddenBias')),
  };
}

/**
 * One step of a gated recurrent unit: input [rows, inputSize] and hidden [rows, hiddenSize] -> hidden after it.
 *
 * @see Cho et al. 2014, https://arxiv.org/abs/1406.1078, appendix A. Departure, as in PyTorch and cuDNN: the reset gate
 * multiplies what the hidden state gives to the candidate, its bias included, not the hidden state itself.
 */
export function gruCell(params: GRUParams, input: tf.Tensor2D, hidden: tf.Tensor2D): tf.Tensor2D {
  const size = hidden.shape[1];
  const sizes = [2 * size, size];
  const given = tf.split(tf.add(tf.matMul(input, params.input), params.inputBias), sizes, 1);
  const own = tf.split(tf.add(tf.matMul(hidden, params.hidden), params.hiddenBias), sizes, 1);
  const [reset, update] = tf.split(tf.sigmoid(tf.add(given[0]!, own[0]!)), 2, 1) as [tf.Tensor2D, tf.Tensor2D];
  const candidate = tf.tanh(tf.add(given[1]!, tf.mul(reset, own[1]!)));
  return tf.add<tf.Tensor2D>(candidate, tf.mul(update, tf.sub(hidden, candidate)));
}
