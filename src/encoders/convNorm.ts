import * as tf from '@tensorflow/tfjs';
import type { Activation } from '../core/activations';
import { type BatchNormParams, batchNormOfBatch, batchNormSpec, folded, type Observe } from './batchNorm';
import {
  type ConvExtras,
  convolve,
  convolveChannels,
  depthwiseSpec,
  finished,
  kernelSpec,
  type Movement,
} from './conv';

/** A convolution, as a rule without bias, and the batch norm after it. */
export type ConvNormParams = { weight: tf.Tensor4D; bias?: tf.Tensor1D | undefined; norm: BatchNormParams };

/** What all batch norms of a network share; with `observe` they normalise by the batch, else by running statistics. */
export type Normalising = { epsilon: number; observe?: Observe | undefined };

/** @param shape - [height, width, in / groups, out] */
export function convNormSpec(
  keys: { conv: string; norm: string },
  shape: [number, number, number, number],
  frozen: boolean,
) {
  return { weight: kernelSpec(`${keys.conv}.weight`, shape), norm: batchNormSpec(keys.norm, shape[3], frozen) };
}

export function depthwiseNormSpec(
  keys: { conv: string; norm: string },
  size: number,
  channels: number,
  frozen: boolean,
) {
  return {
    weight: depthwiseSpec(`${keys.conv}.weight`, size, channels),
    norm: batchNormSpec(keys.norm, channels, frozen),
  };
}

/** What may follow in the same operation; see `ConvExtras`. */
export type AfterNorm = Pick<ConvExtras, 'plus' | 'activation'>;

/**
 * A convolution and its activation, in one operation where there is one for both.
 *
 * @param act - the activation of that name
 */
export function activated(name: string, act: Activation, convolution: (after: AfterNorm) => tf.Tensor4D): tf.Tensor4D {
  return name === 'relu' || name === 'relu6' ? convolution({ activation: name }) : act(convolution({}));
}

/**
 * Convolution and batch norm. Running statistics are multiplied into the kernel, which is far smaller than what it makes;
 * gradients pass through that.
 */
export function convNorm(
  { weight, bias, norm }: ConvNormParams,
  x: tf.Tensor4D,
  movement: Movement,
  { epsilon, observe }: Normalising,
  after: AfterNorm = {},
): tf.Tensor4D {
  if (observe)
    return finished(batchNormOfBatch(norm, convolve(x, weight, movement, { bias }), epsilon, observe), after);
  const { factor, summand } = folded(norm, epsilon);
  const shift = bias ? tf.add<tf.Tensor1D>(summand, tf.mul(bias, factor)) : summand;
  return convolve(x, tf.mul(weight, factor), movement, { ...after, bias: shift });
}

/** The same of every channel by itself. */
export function depthwiseNorm(
  { weight, norm }: Omit<ConvNormParams, 'bias'>,
  x: tf.Tensor4D,
  movement: Movement,
  { epsilon, observe }: Normalising,
  after: AfterNorm = {},
): tf.Tensor4D {
  if (observe) return finished(batchNormOfBatch(norm, convolveChannels(x, weight, movement), epsilon, observe), after);
  const { factor, summand } = folded(norm, epsilon);
  return convolveChannels(x, tf.mul(weight, tf.expandDims(factor, 1)), movement, { ...after, bias: summand });
}
