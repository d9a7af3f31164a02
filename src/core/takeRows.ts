import * as tf from '@tensorflow/tfjs';
import { operation } from './operation';

/**
 * Rows of a table, such as words of an embedding: [size, ...rest] and indices [n] of int32 -> [n, ...rest].
 * `tf.gather` with a cheaper way back: the gradient is scattered as it is, with no transpose of the whole table.
 *
 * @param constant - the index of a row that gets no gradient
 */
export function takeRows<T extends tf.Tensor>(table: T, indices: tf.Tensor1D, constant?: number): T {
  const size = table.shape[0]!;
  const [rows] = operation<{ table: tf.Tensor }, [tf.Tensor], { indices: tf.Tensor1D }>(
    { table },
    () => ({ outputs: [tf.gather(table, indices)], kept: { indices } }),
    ([gradient], { indices }) => ({
      table: () => {
        if (constant === undefined) return tf.unsortedSegmentSum(gradient, indices, size);
        const others = tf.reshape(tf.notEqual(indices, constant), [-1, ...gradient.shape.slice(1).map(() => 1)]);
        return tf.unsortedSegmentSum(tf.mul(gradient, tf.cast(others, 'float32')), indices, size);
      },
    }),
  );
  return rows as T;
}
