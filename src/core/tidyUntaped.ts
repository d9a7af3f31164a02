import * as tf from '@tensorflow/tfjs';

/**
 * `tf.tidy` where no gradients are taped, so that a part of a network gives its intermediate results back before the next
 * part runs. Where they are taped, the way back needs them.
 */
export function tidyUntaped<T extends tf.TensorContainer>(compute: () => T): T {
  return tf.engine().state.gradientDepth > 0 ? compute() : tf.tidy(compute);
}
