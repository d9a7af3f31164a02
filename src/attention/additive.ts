import * as tf from '@tensorflow/tfjs';
import { type LinearParams, linear, linearOverPositions, linearParams } from '../core/linear';
import { ownKernel } from '../core/ownKernel';
import type { Random } from '../core/random';
import { recompute } from '../core/recompute';
import { type Attended, type AttentionMechanism, type AttentionMemory, attendByScores } from './mechanism';

export type { Attended, AttentionMemory };

export type AdditiveAttentionConfig = {
  querySize: number;
  featureSize: number;
  attentionSize: number;
  /** The paper's `tanh`, or the `relu` of a well-known PyTorch tutorial. */
  activation: 'tanh' | 'relu';
};

/** features [featureSize -> attentionSize], query [querySize -> attentionSize], score [attentionSize -> 1] */
export type AdditiveAttentionParams = { features: LinearParams; query: LinearParams; score: LinearParams };

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
  return attendByScores(additiveScores(params, query, memory.keys, activation), memory);
}

/**
 * Scores of every position, [images, rows / images, positions]. Nothing of the size of positions times attentionSize is kept
 * for the way back.
 *
 * @param query - [rows, querySize]
 * @param keys - [images, positions, attentionSize]
 */
export function additiveScores(
  { query: asking, score }: Pick<AdditiveAttentionParams, 'query' | 'score'>,
  query: tf.Tensor2D,
  keys: tf.Tensor3D,
  activation: 'tanh' | 'relu' = 'tanh',
): tf.Tensor3D {
  return scoresOfSums({ score, asked: linear(asking, query), keys }, activation);
}

/** What a network of one layer, `score`, makes of the sums of queries [rows, attentionSize] and keys. */
export function scoresOfSums(
  given: { score: LinearParams; asked: tf.Tensor2D; keys: tf.Tensor3D },
  activation: 'tanh' | 'relu',
): tf.Tensor3D {
  return recompute(given, ({ score, asked, keys }) => {
    const whole = ownKernel('AdditiveScores', { asked, keys, ...score }, { activation });
    if (whole) return whole[0] as tf.Tensor3D;
    const [images, positions, attentionSize] = keys.shape;
    const rows = asked.shape[0];
    const perImage = rows / images;
    const sum = tf.add(
      tf.reshape(keys, [images, 1, positions, attentionSize]),
      tf.reshape(asked, [images, perImage, 1, attentionSize]),
    ); // [images, perImage, positions, attentionSize]
    const hidden = activation === 'tanh' ? tf.tanh(sum) : tf.relu(sum);
    const scores = linear(score, tf.reshape(hidden, [rows * positions, attentionSize]));
    return tf.reshape<tf.Rank.R3>(scores, [images, perImage, positions]);
  });
}

/** `additiveAttention` as a mechanism. */
export function additive(activation: 'tanh' | 'relu' = 'tanh'): AttentionMechanism<AdditiveAttentionParams> {
  return {
    config: { type: 'additive', activation },
    params: (sizes, random) => additiveAttentionParams({ ...sizes, activation }, random),
    keys: (params, features) => linearOverPositions(params.features, features),
    attend: (params, query, memory) => additiveAttention(params, query, memory, activation),
  };
}
