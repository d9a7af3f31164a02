import * as tf from '@tensorflow/tfjs';
import { linearOverPositions } from '../core/linear';
import { noGradient } from '../core/noGradient';
import { type AdditiveAttentionParams, additiveAttentionParams, additiveScores } from './additive';
import { maskedSoftmax } from './mask';
import { type AttentionMechanism, attendByWeights, byImage } from './mechanism';

/**
 * Hard attention: one position is looked at, scored as in additive attention. In training it is drawn by its weight; half of the rows,
 * chosen by a coin for the whole caption, take the mean over positions instead, which steadies the learning. When captions are
 * said it is the likeliest one, so that they do not depend on chance. Weights are those by which positions are drawn.
 *
 * It is trained with `objective: hardAttention()`, because no gradient goes through drawing.
 *
 * @see Xu et al. 2015, https://arxiv.org/abs/1502.03044, section 4.1
 */
export function hard(): AttentionMechanism<AdditiveAttentionParams> {
  return {
    config: { type: 'hard' },
    chooses: true,
    params: (sizes, random) => additiveAttentionParams({ ...sizes, activation: 'tanh' }, random),
    keys: (params, features) => linearOverPositions(params.features, features),
    attend(params, query, memory, { choice }) {
      const images = memory.keys.shape[0];
      const weights = maskedSoftmax(additiveScores(params, query, memory.keys), memory.keyPaddingMask);
      const [rows, positions] = [query.shape[0], weights.shape[2]];
      const flat: tf.Tensor2D = tf.reshape(weights, [rows, positions]);
      if (!choice) {
        const { context } = attendByWeights(byImage(likeliest(flat), images), memory);
        return { context, weights: flat };
      }
      const { random, step } = choice;
      const coins = random.fork('coins').uniform(rows);
      const drawn = tf.tensor2d(
        coins.map((coin) => (coin < 0.5 ? 1 : 0)),
        [rows, 1],
      );
      // Gumbel noise on the host: the same positions on every backend.
      const noise = random
        .fork('noise')
        .fork(step)
        .uniform(rows * positions);
      const gumbel = tf.tensor2d(
        noise.map((u) => -Math.log(-Math.log(Math.max(u, 1e-12)))),
        [rows, positions],
      );
      const chosen = tf.mul<tf.Tensor2D>(likeliest(tf.add(logOf(flat), gumbel)), drawn);
      const mixed = tf.add<tf.Tensor2D>(chosen, tf.mul(flat, tf.sub(1, drawn)));
      return { context: attendByWeights(byImage(mixed, images), memory).context, weights: flat, chosen };
    },
  };
}

/** Natural logarithms of weights, finite where a weight is 0. */
export const logOf = <T extends tf.Tensor>(weights: T): T => tf.log(tf.maximum(weights, 1e-20));

/** 1 in the place of the largest number of every row, [rows, positions], as a constant. */
function likeliest(x: tf.Tensor2D): tf.Tensor2D {
  return noGradient(x, (rows) => {
    const places = tf.range(0, rows.shape[1], 1, 'int32');
    return tf.cast<tf.Tensor2D>(tf.equal(tf.expandDims(tf.argMax(rows, 1), 1), tf.expandDims(places, 0)), 'float32');
  });
}
