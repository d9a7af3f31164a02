import * as tf from '@tensorflow/tfjs';
import { operation } from './operation';
import { ownKernel } from './ownKernel';

/** weight and bias [size] */
export type LayerNormParams = { weight: tf.Tensor1D; bias: tf.Tensor1D };

/**
 * Brings the last axis to mean 0 and deviation 1, then scales and shifts it. The way back is written by hand: three
 * passes where the tape of tfjs needs a dozen.
 *
 * @see Ba et al. 2016, https://arxiv.org/abs/1607.06450; as `torch.nn.LayerNorm`, the variance is that of the whole axis
 */
export function layerNorm<T extends tf.Tensor>({ weight, bias }: LayerNormParams, x: T, epsilon: number): T {
  const [output] = operation<
    { x: tf.Tensor; weight: tf.Tensor; bias: tf.Tensor },
    [tf.Tensor],
    { normal: tf.Tensor; scale: tf.Tensor; weight: tf.Tensor } | undefined
  >(
    { x, weight, bias },
    (taped) => {
      const whole = taped ? undefined : ownKernel('LayerNorm', { x, weight, bias }, { epsilon })?.[0];
      if (whole) return { outputs: [whole], kept: undefined };
      const centred = tf.sub(x, tf.mean(x, -1, true));
      const scale = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), epsilon)); // [..., 1]
      const normal = tf.mul(centred, scale);
      return { outputs: [tf.add(tf.mul(normal, weight), bias)], kept: { normal, scale, weight } };
    },
    ([gradient], kept) => {
      const { normal, scale, weight } = kept!; // it was taped
      const rows = (tensor: tf.Tensor) => tf.reshape(tensor, [-1, weight.shape[0]!]);
      return {
        x: () => {
          const inner = tf.mul(gradient, weight);
          const along = tf.mul(normal, tf.mean(tf.mul(inner, normal), -1, true));
          return tf.mul(tf.sub(tf.sub(inner, tf.mean(inner, -1, true)), along), scale);
        },
        weight: () => tf.sum(rows(tf.mul(gradient, normal)), 0),
        bias: () => tf.sum(rows(gradient), 0),
      };
    },
  );
  return output as T;
}
