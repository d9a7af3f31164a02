import * as tf from '@tensorflow/tfjs';
import type { ParameterSpec } from '../core/spec';

/** All [channels]; the running ones are no subject of gradients. */
export type BatchNormParams = {
  weight: tf.Tensor1D;
  bias: tf.Tensor1D;
  runningMean: tf.Tensor1D;
  runningVariance: tf.Tensor1D;
};

/** Told the mean and the unbiased variance [channels] of what a batch norm has just read. */
export type Observe = (norm: BatchNormParams, mean: tf.Tensor1D, variance: tf.Tensor1D) => void;

/** PyTorch's parameters of a batch norm under `prefix`; a frozen one is not trained at all. */
export function batchNormSpec(prefix: string, channels: number, frozen: boolean) {
  const parameter = (name: string, value: number, trainable: boolean): ParameterSpec<tf.Tensor1D> => ({
    key: `${prefix}.${name}`,
    shape: [channels],
    layout: 'same',
    init: (shape) => tf.fill(shape, value),
    trainable,
  });
  return {
    weight: parameter('weight', 1, !frozen),
    bias: parameter('bias', 0, !frozen),
    runningMean: parameter('running_mean', 0, false),
    runningVariance: parameter('running_var', 1, false),
  };
}

/** What PyTorch counts in a batch norm and nothing here reads. */
export const isBatchCount = (name: string) => name.endsWith('.num_batches_tracked');

/** The factor and the summand [channels] that a batch norm with its running statistics comes down to. */
export function folded({ weight, bias, runningMean, runningVariance }: BatchNormParams, epsilon: number) {
  const factor = tf.mul<tf.Tensor1D>(weight, tf.rsqrt(tf.add(runningVariance, epsilon)));
  return { factor, summand: tf.sub<tf.Tensor1D>(bias, tf.mul(runningMean, factor)) };
}

/**
 * Normalises every channel by the statistics of this batch.
 *
 * @param x - [batch, height, width, channels]
 * @see Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167, algorithm 1
 */
export function batchNormOfBatch(
  norm: BatchNormParams,
  x: tf.Tensor4D,
  epsilon: number,
  observe: Observe,
): tf.Tensor4D {
  const { mean, variance } = tf.moments(x, [0, 1, 2]) as { mean: tf.Tensor1D; variance: tf.Tensor1D };
  const count = x.size / mean.size;
  observe(norm, mean, tf.mul(variance, count / Math.max(count - 1, 1)));
  const { factor, summand } = folded({ ...norm, runningMean: mean, runningVariance: variance }, epsilon);
  return tf.add<tf.Tensor4D>(tf.mul(x, factor), summand);
}

/** Moves the running statistics towards those of a batch, by PyTorch's `momentum`. */
export function trackWith(momentum: number): Observe {
  return ({ runningMean, runningVariance }, mean, variance) =>
    tf.tidy(() => {
      for (const [running, batch] of [
        [runningMean, mean],
        [runningVariance, variance],
      ] as const)
        (running as tf.Variable<tf.Rank.R1>).assign(tf.add(tf.mul(running, 1 - momentum), tf.mul(batch, momentum)));
    });
}
