import * as tf from '@tensorflow/tfjs';
import { UsageError } from '../core/errors';
import { uniform } from '../core/init';
import type { Random } from '../core/random';
import { scoresOfSums } from './additive';
import { type AttentionMechanism, attendByScores, dotScores } from './mechanism';

/** A matrix [inputs, outputs], uniform in +-1 / sqrt(inputs). */
export const matrix = (inputs: number, outputs: number, random: Random) =>
  uniform<tf.Rank.R2>([inputs, outputs], 1 / Math.sqrt(inputs), random);

/** x [batch, positions, inputs] times weight [inputs, outputs] */
export function overPositions(weight: tf.Tensor2D, x: tf.Tensor3D): tf.Tensor3D {
  const [batch, positions, inputs] = x.shape;
  return tf.reshape(tf.matMul(tf.reshape(x, [batch * positions, inputs]), weight), [batch, positions, weight.shape[1]]);
}

/**
 * Query and feature by their inner product, so that both have one size and there is nothing to learn.
 *
 * @see Luong et al. 2015, https://arxiv.org/abs/1508.04025, section 3.1, `dot`
 */
export function dot(): AttentionMechanism<Record<string, never>> {
  return {
    config: { type: 'dot' },
    params: ({ querySize, featureSize }) => {
      if (querySize === featureSize) return {};
      throw new UsageError(
        `'dot' attention compares hidden states with features as they are, but hiddenSize is ${querySize} and the encoder gives ${featureSize} features. Set hiddenSize to ${featureSize}, or take 'general', which learns a matrix between them.`,
      );
    },
    keys: (_, features) => tf.clone(features),
    attend: (_, query, memory) => attendByScores(dotScores(query, memory.keys), memory),
  };
}

/**
 * Query and feature by a learned bilinear form, query' W feature.
 *
 * @see Luong et al. 2015, section 3.1, `general`
 */
export function general(): AttentionMechanism<{ key: tf.Tensor2D }> {
  return {
    config: { type: 'general' },
    params: ({ querySize, featureSize }, random) => ({ key: matrix(featureSize, querySize, random.fork('key')) }),
    keys: ({ key }, features) => overPositions(key, features),
    attend: (_, query, memory) => attendByScores(dotScores(query, memory.keys), memory),
  };
}

/**
 * A network of one layer over query and feature together, v' tanh(W [query; feature]): additive attention without biases.
 *
 * @see Luong et al. 2015, section 3.1, `concat`
 */
export function concat(): AttentionMechanism<{ query: tf.Tensor2D; key: tf.Tensor2D; score: tf.Tensor2D }> {
  return {
    config: { type: 'concat' },
    params: ({ querySize, featureSize, attentionSize }, random) => ({
      query: matrix(querySize, attentionSize, random.fork('query')),
      key: matrix(featureSize, attentionSize, random.fork('key')),
      score: matrix(attentionSize, 1, random.fork('score')),
    }),
    keys: ({ key }, features) => overPositions(key, features),
    attend(params, query, memory) {
      const score = { weight: params.score, bias: tf.zeros<tf.Rank.R1>([1]) };
      const asked: tf.Tensor2D = tf.matMul(query, params.query);
      return attendByScores(scoresOfSums({ score, asked, keys: memory.keys }, 'tanh'), memory);
    },
  };
}
