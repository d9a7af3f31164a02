import * as tf from '@tensorflow/tfjs';

/** Large and finite: -Infinity would make NaN gradients where a whole row is padding. */
export const FAR_BELOW = -1e9;

/**
 * Softmax over positions that gives padding no weight.
 *
 * @param scores - [images, rows, positions]
 * @param keyPaddingMask - [images, positions], 1 = padding
 */
export function maskedSoftmax(scores: tf.Tensor3D, keyPaddingMask: tf.Tensor2D | undefined): tf.Tensor3D {
  if (!keyPaddingMask) return tf.softmax(scores);
  return tf.softmax(tf.add(scores, tf.mul(tf.expandDims(keyPaddingMask, 1), FAR_BELOW)));
}
