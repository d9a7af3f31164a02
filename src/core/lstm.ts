import * as tf from '@tensorflow/tfjs';
import { uniform } from './init';
import type { Random } from './random';

/**
 * PyTorch's parametrisation, gates in the order input, forget, cell, output:
 * input [inputSize, 4 hiddenSize], hidden [hiddenSize, 4 hiddenSize], inputBias and hiddenBias [4 hiddenSize].
 */
export type LSTMParams = { input: tf.Tensor2D; hidden: tf.Tensor2D; inputBias: tf.Tensor1D; hiddenBias: tf.Tensor1D };

/** hidden and cell [rows, hiddenSize] */
export type LSTMState = { hidden: tf.Tensor2D; cell: tf.Tensor2D };

/** PyTorch's initialisation: all uniform in +-1 / sqrt(hiddenSize). */
export function lstmParams(inputSize: number, hiddenSize: number, random: Random): LSTMParams {
  const limit = 1 / Math.sqrt(hiddenSize);
  return {
    input: uniform<tf.Rank.R2>([inputSize, 4 * hiddenSize], limit, random.fork('input')),
    hidden: uniform<tf.Rank.R2>([hiddenSize, 4 * hiddenSize], limit, random.fork('hidden')),
    inputBias: uniform<tf.Rank.R1>([4 * hiddenSize], limit, random.fork('inputBias')),
    hiddenBias: uniform<tf.Rank.R1>([4 * hiddenSize], limit, random.fork('hiddenBias')),
  };
}

/**
 * One step of a long short-term memory from its gates before their activations.
 *
 * @param gates - [rows, 4 hiddenSize], in the order input, forget, cell, output
 * @param cell - [rows, hiddenSize], before the step
 * @see Hochreiter and Schmidhuber 1997; with forget gates, Gers et al. 2000
 */
export function lstmCell(gates: tf.Tensor2D, cell: tf.Tensor2D): LSTMState {
  const [input, forget, candidate, output] = tf.split(gates, 4, 1) as [
    tf.Tensor2D,
    tf.Tensor2D,
    tf.Tensor2D,
    tf.Tensor2D,
  ];
  const kept = tf.mul(tf.sigmoid(forget), cell);
  const next = tf.add<tf.Tensor2D>(kept, tf.mul(tf.sigmoid(input), tf.tanh(candidate)));
  return { hidden: tf.mul<tf.Tensor2D>(tf.sigmoid(output), tf.tanh(next)), cell: next };
}

/** The gates before their activations, [rows, 4 hiddenSize], of input [rows, inputSize] and hidden [rows, hiddenSize]. */
export function lstmGates(params: LSTMParams, input: tf.Tensor2D, hidden: tf.Tensor2D): tf.Tensor2D {
  const fromInput = tf.add(tf.matMul(input, params.input), params.inputBias);
  return tf.add<tf.Tensor2D>(fromInput, tf.add(tf.matMul(hidden, params.hidden), params.hiddenBias));
}
