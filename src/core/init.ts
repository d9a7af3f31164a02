import * as tf from '@tensorflow/tfjs';
import type { Random } from './random';

/** Uniform in [-limit, limit). */
export function uniform<R extends tf.Rank>(shape: tf.ShapeMap[R], limit: number, random: Random): tf.Tensor<R> {
  const values = random.uniform(shape.reduce((size, side) => size * side, 1)).map((u) => (2 * u - 1) * limit);
  return tf.tensor<R>(values, shape);
}

/** Uniform with limit sqrt(6 / (fanIn + fanOut)), Glorot and Bengio 2010, equation 16; kernels are [..., in, out]. */
export function glorot<R extends tf.Rank>(shape: tf.ShapeMap[R], random: Random): tf.Tensor<R> {
  const [fanIn = 1, fanOut = 1] = shape.slice(-2);
  const receptive = shape.slice(0, -2).reduce((size, side) => size * side, 1);
  return uniform<R>(shape, Math.sqrt(6 / (receptive * (fanIn + fanOut))), random);
}

/** Normal with mean 0. */
export function normal<R extends tf.Rank>(shape: number[], deviation: number, random: Random): tf.Tensor<R> {
  const values = random.normal(shape.reduce((size, side) => size * side, 1)).map((value) => value * deviation);
  return tf.tensor<R>(values, shape as tf.ShapeMap[R]);
}
