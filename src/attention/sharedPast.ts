import * as tf from '@tensorflow/tfjs';
import { dropout } from '../core/dropout';
import type { AttentionOptions, HeadsAttended, KeysAndValues } from './multiHead';

/** What all rows of a picture have before their own words, one entry per picture: its patches, and what a caption begins with. */
export type SharedPast = KeysAndValues & {
  /** Added to the scores, [images, 1, 1, positions]: a mask where pictures have less than others. */
  bias?: tf.Tensor | undefined;
};

/**
 * Attention to what a picture's rows share and to the words of each row, in one softmax. What is shared is never
 * repeated: the rows of a picture ask as one longer row.
 *
 * @param queries - [rows, heads, time, size], rows a multiple of the pictures; those of one picture together
 * @param own - keys and values of the words [rows, heads, words, size]; `options.bias` is added to their scores alone
 * @returns weights [rows, heads, time, shared + words]
 */
export function attendAfterShared(
  queries: tf.Tensor4D,
  shared: SharedPast,
  own: KeysAndValues,
  { scale = 1 / Math.sqrt(queries.shape[3]), bias, drop }: AttentionOptions = {},
): HeadsAttended {
  const [rows, heads, time, size] = queries.shape;
  const [images, , positions] = shared.keys.shape;
  const scaled = tf.mul<tf.Tensor4D>(queries, scale);
  const toShared = tf.matMul<tf.Tensor4D>(joinRows(scaled, images), shared.keys, false, true);
  const visible = shared.bias ? tf.add<tf.Tensor4D>(toShared, shared.bias) : toShared;
  const toOwn = tf.matMul<tf.Tensor4D>(scaled, own.keys, false, true);
  const scores = [splitRows(visible, rows, time), bias ? tf.add<tf.Tensor4D>(toOwn, bias) : toOwn];
  const weights = tf.softmax<tf.Tensor4D>(tf.concat(scores, 3));
  const [before, after] = tf.split<tf.Tensor4D>(dropout(weights, drop, 'attention'), [positions, own.keys.shape[2]], 3);
  const fromShared = splitRows(tf.matMul<tf.Tensor4D>(joinRows(before!, images), shared.values), rows, time);
  const fromOwn = tf.matMul<tf.Tensor4D>(after!, own.values);
  return { context: tf.reshape(tf.add(fromShared, fromOwn), [rows, heads, time, size]), weights };
}

/** [images * k, heads, time, size] -> [images, heads, k * time, size] */
function joinRows(x: tf.Tensor4D, images: number): tf.Tensor4D {
  const [rows, heads, time, size] = x.shape;
  if (rows === images) return x;
  const k = rows / images;
  const apart = tf.reshape(x, [images, k, heads, time * size]);
  return tf.reshape<tf.Rank.R4>(tf.transpose(apart, [0, 2, 1, 3]), [images, heads, k * time, size]);
}

/** [images, heads, k * time, size] -> [images * k, heads, time, size] */
function splitRows(x: tf.Tensor4D, rows: number, time: number): tf.Tensor4D {
  const [images, heads, , size] = x.shape;
  if (rows === images) return x;
  const k = rows / images;
  const apart = tf.reshape(x, [images, heads, k, time * size]);
  return tf.reshape<tf.Rank.R4>(tf.transpose(apart, [0, 2, 1, 3]), [rows, heads, time, size]);
}
