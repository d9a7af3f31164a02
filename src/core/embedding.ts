import * as tf from '@tensorflow/tfjs';
import { takeRows } from './takeRows';

/** Rows of a table [vocabSize, size] by ids [rows, time] of int32 -> [rows, time, size]. */
export function embed(table: tf.Tensor2D, ids: tf.Tensor2D): tf.Tensor3D {
  const [rows, time] = ids.shape;
  return tf.reshape(takeRows(table, tf.reshape(ids, [rows * time])), [rows, time, table.shape[1]]);
}
