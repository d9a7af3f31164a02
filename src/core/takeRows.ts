import * as tf from '@tensorflow/tfjs';
import { operation } from './operation';

/**
 * Rows of a table, such as words of an embedding: [size, ...rest] and indices [n] of int32 -> [n, ...rest].
 * `tf.gather` with a cheaper way back: the gradient is scattered as it is, with no transpose of the whole table.
 */
export function takeRows<T extends tf.Tensor>(table: T, indices: tf.Tensor1D): T {
  const size = table.shape[0]!;
  const [rows] = operation<{ table: tf.Tensor }, [tf.Tensor], { indices: tf.Tensor1D }>(
    { table },
    () => ({ outputs: [tf.gather(table, indices)], kept: { indices } }),
    ([gradient], kept) => ({ table: () => tf.unsortedSegmentSum(gradient, kept.indices, size) }),
  );
  return rows as T;
}
