import * as tf from '@tensorflow/tfjs';
import { uniform } from './init';
import type { Random } from './random';

/** weight [inputSize, outputSize], bias [outputSize] */
export type LinearParams = { weight: tf.Tensor2D; bias: tf.Tensor1D };

/** PyTorch's initialisation: both uniform in +-1 / sqrt(inputSize). */
export function linearParams(inputSize: number, outputSize: number, random: Random): LinearParams {
  const limit = 1 / Math.sqrt(inputSize);
  return {
    weight: uniform<tf.Rank.R2>([inputSize, outputSize], limit, random.fork('weight')),
    bias: uniform<tf.Rank.R1>([outputSize], limit, random.fork('bias')),
  };
}

/** input [rows, inputSize] -> [rows, outputSize] */
export function linear(params: LinearParams, input: tf.Tensor2D): tf.Tensor2D {
  return tf.add<tf.Tensor2D>(tf.matMul(input, params.weight), params.bias);
}

/** input [batch, positions, inputSize] -> [batch, positions, outputSize], as one product over all rows. */
export function linearOverPositions(params: LinearParams, input: tf.Tensor3D): tf.Tensor3D {
  const [batch, positions, inputSize] = input.shape;
  const rows = linear(params, tf.reshape(input, [batch * positions, inputSize]));
  return tf.reshape(rows, [batch, positions, params.bias.shape[0]]);
}
