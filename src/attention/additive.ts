import * as tf from '@tensorflow/tfjs';
import { type LinearParams, linear, linearOverPositions, linearParams } from '../core/linear';
import type { Random } from '../core/random';
import { maskedSoftmax } from './mask';

export type AdditiveAttentionConfig = {
  querySize: number;
  featureSize: number;
  attentionSize: number;
  /** The paper's `tanh`, or the `relu` of a well-known PyTorch tutorial. */
  activation: 'tanh' | 'relu';
};

/** features [featureSize -> attentionSize], query [querySize -> attentionSize], score [attentionSize -> 1] */
export type AdditiveAttentionParams = { features: LinearParams; query: LinearParams; score: LinearParams };

/**
 * features [images, positions, featureSize], keys [images, positions, attentionSize],
 * keyPaddingMask [images, positions] with 1 for padding, as in PyTorch
 */
export type AttentionMemory = { features: tf.Tensor3D; keys: tf.Tensor3D; keyPaddingMask?: tf.Tensor2D };

/** context [rows, featureSize]; weights [rows, positions], each row summing to 1 */
export type Attended = { context: tf.Tensor2D; weights: tf.Tensor2D };

export function additiveAttentionParams(config: AdditiveAttentionConfig, random: Random): AdditiveAttentionParams {
  const { querySize, featureSize, attentionSize } = config;
  return {
    features: linearParams(featureSize, attentionSize, random.fork('features')),
    query: linearParams(querySize, attentionSize, random.fork('query')),
    score: linearParams(attentionSize, 1, random.fork('score')),
  };
}

/** Projects features [images, positions, featureSize] to keys: once per image, not once per word. */
export function attentionMemory(
  params: AdditiveAttentionParams,
  features: tf.Tensor3D,
  keyPaddingMask?: tf.Tensor2D,
): AttentionMemory {
  return { features, keys: linearOverPositions(params.features, features), ...(keyPaddingMask && { keyPaddingMask }) };
}

/**
 * Additive attention: a one-layer network scores every image position against the query.
 *
 * Rows may be several per image (its captions, or the hypotheses of a beam): row r looks at image
 * floor(r * images / rows), and the features are never repeated in memory.
 *
 * @param query - [rows, querySize], rows a multiple of images
 * @see Bahdanau et al. 2015, https://arxiv.org/abs/1409.0473, appendix A.1.2. Departure, as in PyTorch's usual
 * implementations: every projection has a bias.
 */
export function additiveAttention(
  params: Pick<AdditiveAttentionParams, 'query' | 'score'>,
  query: tf.Tensor2D,
  memory: AttentionMemory,
  activation: 'tanh' | 'relu' = 'tanh',
): Attended {
  const [images, positions, attentionSize] = memory.keys.shape;
  const rows = query.shape[0];
  const perImage = rows / images;
  const asked = tf.reshape(linear(params.query, query), [images, perImage, 1, attentionSize]);
  const sum = tf.add(tf.reshape(memory.keys, [images, 1, positions, attentionSize]), asked); // [images, perImage, positions, attentionSize]
  const hidden = activation === 'tanh' ? tf.tanh(sum) : tf.relu(sum);
  const scores = linear(params.score, tf.reshape(hidden, [rows * positions, attentionSize]));
  const weights = maskedSoftmax(tf.reshape(scores, [images, perImage, positions]), memory.keyPaddingMask);
  const context = tf.matMul(weights, memory.features);
  return {
    context: tf.reshape(context, [rows, memory.features.shape[2]]),
    weights: tf.reshape(weights, [rows, positions]),
  };
}
