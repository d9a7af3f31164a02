import * as tf from '@tensorflow/tfjs';
import { type DenseParams, dense } from '../core/dense';
import { type Dropout, dropout } from '../core/dropout';
import { type LinearSpec, linearSpec } from '../core/layerSpecs';
import { tidyUntaped } from '../core/tidyUntaped';
import { attendAfterShared, type SharedPast } from './sharedPast';

/** [rows, heads, time, size] each: what queries are compared with, and what they get. */
export type KeysAndValues = { keys: tf.Tensor4D; values: tf.Tensor4D };

export type AttentionOptions = {
  /** What the products of queries and keys are multiplied by; 1 / sqrt(size) without it. */
  scale?: number | undefined;
  /** Added to the scores, broadcast to [rows, heads, queries, keys]: a mask (see `attentionBias`), or relative positions. */
  bias?: tf.Tensor | undefined;
  /** Of the weights, in training. */
  drop?: Dropout | undefined;
};

/** context [rows, heads, queries, size]; weights [rows, heads, queries, keys], each row summing to 1, before dropout */
export type HeadsAttended = { context: tf.Tensor4D; weights: tf.Tensor4D };

/**
 * Attention of every head by itself: softmax(scale Q K' + bias) V.
 *
 * @param queries - [rows, heads, queries, size], rows and heads those of the keys
 * @see Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, equation 1
 */
export function scaledDotProduct(
  queries: tf.Tensor4D,
  { keys, values }: KeysAndValues,
  { scale = 1 / Math.sqrt(queries.shape[3]), bias, drop }: AttentionOptions = {},
): HeadsAttended {
  return tidyUntaped(() => {
    const products = tf.matMul<tf.Tensor4D>(tf.mul(queries, scale), keys, false, true);
    const weights = tf.softmax<tf.Tensor4D>(bias ? tf.add<tf.Tensor4D>(products, bias) : products);
    return { context: tf.matMul<tf.Tensor4D>(dropout(weights, drop, 'attention'), values), weights };
  });
}

/** [rows, time, heads * size] -> [rows, heads, time, size] */
export function splitHeads(x: tf.Tensor3D, numHeads: number): tf.Tensor4D {
  const [rows, time, width] = x.shape;
  return tf.transpose(tf.reshape(x, [rows, time, numHeads, width / numHeads]), [0, 2, 1, 3]);
}

/** [rows, heads, time, size] -> [rows, time, heads * size] */
export function mergeHeads(x: tf.Tensor4D): tf.Tensor3D {
  const [rows, heads, time, size] = x.shape;
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [rows, time, heads * size]);
}

/** Keys and values of more words after those of the words before. */
export function appendKeys(past: KeysAndValues | undefined, { keys, values }: KeysAndValues): KeysAndValues {
  if (!past) return { keys, values };
  return { keys: tf.concat([past.keys, keys], 2), values: tf.concat([past.values, values], 2) };
}

/**
 * Attention of rows to what their picture has, where several rows share a picture: its captions, or the hypotheses of
 * a beam. Keys and values are never repeated: the rows of a picture ask as one longer row.
 *
 * @param queries - [rows, time, heads * size], rows a multiple of the rows of the keys; those of one picture together
 * @returns context [rows, time, heads * size]; weights [rows, heads, time, positions]
 */
export function attendShared(
  queries: tf.Tensor3D,
  memory: KeysAndValues,
  options: AttentionOptions = {},
): { context: tf.Tensor3D; weights: tf.Tensor4D } {
  const [rows, time, width] = queries.shape;
  const [images, heads, positions] = memory.keys.shape;
  const together = tf.reshape<tf.Rank.R3>(queries, [images, (rows / images) * time, width]);
  const { context, weights } = scaledDotProduct(splitHeads(together, heads), memory, options);
  return {
    context: tf.reshape(mergeHeads(context), [rows, time, width]),
    weights: rows === images ? weights : weightsByRow(weights, rows, [heads, time, positions]),
  };
}

/** [images, heads, k * time, positions] -> [images * k, heads, time, positions] */
function weightsByRow(weights: tf.Tensor4D, rows: number, [heads, time, positions]: [number, number, number]) {
  const images = weights.shape[0];
  const split = tf.reshape<tf.Rank.R4>(weights, [images, heads, rows / images, time * positions]);
  return tf.reshape<tf.Rank.R4>(tf.transpose(split, [0, 2, 1, 3]), [rows, heads, time, positions]);
}

/** query [querySize -> heads * size], key and value [memorySize -> heads * size], output back to querySize */
export type MultiHeadParams = { query: DenseParams; key: DenseParams; value: DenseParams; output: DenseParams };

/** Names of the four layers in published checkpoints. */
export type MultiHeadKeys = Record<keyof MultiHeadParams, string>;

export type MultiHeadSizes = {
  querySize: number;
  /** Of what is looked at; `querySize` without it. */
  memorySize?: number;
  /** heads * size; `querySize` without it. */
  width?: number;
  /** Whether query, key and value have biases; the output has one in any case. */
  bias?: boolean;
  /** As of `linearSpec`. */
  deviation?: number;
};

export function multiHeadSpec(names: MultiHeadKeys, sizes: MultiHeadSizes): Record<keyof MultiHeadParams, LinearSpec> {
  const { querySize, memorySize = querySize, width = querySize, bias = true, deviation } = sizes;
  const drawn = deviation === undefined ? {} : { deviation };
  return {
    query: linearSpec(names.query, querySize, width, { bias, ...drawn }),
    key: linearSpec(names.key, memorySize, width, { bias, ...drawn }),
    value: linearSpec(names.value, memorySize, width, { bias, ...drawn }),
    output: linearSpec(names.output, width, querySize, drawn),
  };
}

/** As some checkpoints have it: query, key and value in one layer [querySize -> 3 * heads * size], in this order. */
export type FusedSelfParams = { queryKeyValue: DenseParams; output: DenseParams };

/** For cross-attention: key and value in one layer [memorySize -> 2 * heads * size], in this order. */
export type FusedCrossParams = { query: DenseParams; keyValue: DenseParams; output: DenseParams };

type KeyParams = Pick<MultiHeadParams, 'key' | 'value'> | Pick<FusedCrossParams, 'keyValue'>;

/** Keys and values of x [rows, time, size]: for cross-attention of what the picture has, once. */
export function projectKeys(params: KeyParams, x: tf.Tensor3D, numHeads: number): KeysAndValues {
  const [key, value] =
    'keyValue' in params
      ? (tf.split(dense(params.keyValue, x), 2, -1) as [tf.Tensor3D, tf.Tensor3D])
      : [dense(params.key, x), dense(params.value, x)];
  return { keys: splitHeads(key, numHeads), values: splitHeads(value, numHeads) };
}

function projectAll(params: MultiHeadParams | FusedSelfParams, x: tf.Tensor3D, numHeads: number) {
  const parts =
    'queryKeyValue' in params
      ? (tf.split(dense(params.queryKeyValue, x), 3, -1) as tf.Tensor3D[])
      : [dense(params.query, x), dense(params.key, x), dense(params.value, x)];
  const [queries, keys, values] = parts.map((part) => splitHeads(part, numHeads));
  return { queries: queries!, keys: keys!, values: values! };
}

/**
 * Words attend to words: multi-head self-attention with its projections.
 *
 * @param x - [rows, time, size]
 * `options.past`: keys and values of the words before x, where they were kept
 * `options.shared`: what all rows of a picture have before these; `options.bias` says nothing of it
 * @returns output [rows, time, size]; weights [rows, heads, time, shared + past + time]; keys and values of all words up to now
 * @see Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, section 3.2.2
 */
export function selfAttention(
  params: MultiHeadParams | FusedSelfParams,
  x: tf.Tensor3D,
  {
    numHeads,
    past,
    shared,
    ...options
  }: AttentionOptions & {
    numHeads: number;
    past?: KeysAndValues | undefined;
    shared?: SharedPast | undefined;
  },
): { output: tf.Tensor3D; weights: tf.Tensor4D; present: KeysAndValues } {
  const { queries, ...own } = projectAll(params, x, numHeads);
  const present = appendKeys(past, own);
  const { context, weights } = shared
    ? attendAfterShared(queries, shared, present, options)
    : scaledDotProduct(queries, present, options);
  return { output: dense(params.output, mergeHeads(context)), weights, present };
}

/**
 * Words attend to what `projectKeys` made of the picture; see `attendShared` for several rows per picture.
 *
 * @param x - [rows, time, size]
 * @returns output [rows, time, size]; weights [rows, heads, time, positions]
 */
export function crossAttention(
  params: Pick<MultiHeadParams, 'query' | 'output'>,
  x: tf.Tensor3D,
  memory: KeysAndValues,
  options: AttentionOptions = {},
): { output: tf.Tensor3D; weights: tf.Tensor4D } {
  const { context, weights } = attendShared(dense(params.query, x), memory, options);
  return { output: dense(params.output, context), weights };
}
