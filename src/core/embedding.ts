import * as tf from '@tensorflow/tfjs';
import { takeRows } from './takeRows';

/**
 * Rows of a table [vocabSize, size] by ids [rows, time] of int32 -> [rows, time, size].
 *
 * @param padId - whose row gets no gradient from here, as with `padding_idx` of `torch.nn.Embedding`
 */
export function embed(table: tf.Tensor2D, ids: tf.Tensor2D, padId?: number): tf.Tensor3D {
  const [rows, time] = ids.shape;
  return tf.reshape(takeRows(table, tf.reshape(ids, [rows * time]), padId), [rows, time, table.shape[1]]);
}
