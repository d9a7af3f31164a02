import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-webgpu';
import { selectBackend } from '../../src/backends/selectBackend';
import type { BackendDescription, SelectBackendOptions } from '../../src/backends/types';

export const select = (options: SelectBackendOptions): Promise<BackendDescription> => selectBackend(options);

export const isolated = () => crossOriginIsolated;

/** Gradients of what a captioner is made of, on the current backend. */
export async function gradients(): Promise<number[][]> {
  const wave = (shape: number[], phase: number) =>
    tf.tensor(
      Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => Math.sin(1.7 * i + phase)),
      shape,
    );
  const results = tf.tidy(() => {
    const loss = (
      pixels: tf.Tensor,
      filter: tf.Tensor,
      depthwise: tf.Tensor,
      weight: tf.Tensor,
      embedding: tf.Tensor,
    ) => {
      const seen = tf.relu6(tf.conv2d(pixels as tf.Tensor4D, filter as tf.Tensor4D, 2, 'same')); // [2, 4, 4, 6]
      const mixed = tf.depthwiseConv2d(seen as tf.Tensor4D, depthwise as tf.Tensor4D, 1, 'same');
      const positions = tf.tanh(tf.matMul(tf.reshape(mixed, [32, 6]), weight)); // [32, 5]
      const words = tf.gather(embedding, tf.tensor1d([1, 3, 1], 'int32')); // [3, 5]
      return tf.neg(tf.mean(tf.logSoftmax(tf.matMul(words, positions, false, true))));
    };
    const given = [
      wave([2, 8, 7, 3], 0),
      wave([3, 3, 3, 6], 1),
      wave([3, 3, 6, 1], 2),
      wave([6, 5], 3),
      wave([4, 5], 4),
    ];
    return tf.grads(loss as (...inputs: tf.Tensor[]) => tf.Tensor)(given);
  });
  const values = await Promise.all(results.map((result) => result.data()));
  tf.dispose(results);
  return values.map((numbers) => [...numbers]);
}
