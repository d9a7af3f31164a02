import * as tf from '@tensorflow/tfjs';
import type { AdditiveAttentionParams, AttentionMemory } from './additive';

/** What a step of attention saw on its way there. */
export type AttentionStep = {
  /** The projected query, [rows, attentionSize] */
  asked: tf.Tensor2D;
  /** [rows, positions] */
  weights: tf.Tensor2D;
};

/** What is summed over steps that share their memory, until `keyGradients` makes gradients of it. */
export type AttentionSums = {
  /** Gradients of the scores by position, all rows of an image together, [images, positions] */
  scores: tf.Tensor2D;
  /** The same times the activation's part of the way back, [images, positions, attentionSize] */
  bent: tf.Tensor3D;
  /** Gradient of the score's weight, [attentionSize, 1] */
  scoreWeight: tf.Tensor2D;
};

/**
 * The way back through one step of `additiveAttention`. With s = activation(key + asked), e = s v + b, w = softmax(e)
 * and context = sum of w * feature over positions:
 *
 *   dw = dcontext . feature + what the weights got themselves       dv     = sum of de * s
 *   de = w * (dw - sum of w * dw)                                   dkey   = v * de * slope(s), also
 *                                                                   dasked = its sum over positions
 *
 * with slope = 1 - s^2 for tanh, whose s^2 is what `bent` sums up, and 1 or 0 for relu. s is computed again here: kept
 * from every step it would be by far the largest thing in memory.
 *
 * @param context - gradient of the context, [rows, featureSize]
 * @param given - gradient of the weights themselves, [rows, positions]
 * @returns the gradient of asked [rows, attentionSize] and what has to be added to the sums
 */
export function additiveAttentionBackward(
  params: Pick<AdditiveAttentionParams, 'score'>,
  { asked, weights }: AttentionStep,
  { features, keys }: AttentionMemory,
  activation: 'tanh' | 'relu',
  context: tf.Tensor2D,
  given: tf.Tensor2D,
): { asked: tf.Tensor2D; sums: AttentionSums } {
  const [images, positions, attentionSize] = keys.shape;
  const rows = asked.shape[0];
  const perImage = rows / images;
  const seen = tf.matMul(tf.reshape(context, [images, perImage, features.shape[2]]), features, false, true);
  const pulled = tf.mul(weights, tf.add(given, tf.reshape(seen, [rows, positions])));
  const scores = tf.sub(pulled, tf.mul(weights, tf.sum(pulled, 1, true))); // [rows, positions]

  const sum = tf.add(
    tf.reshape(keys, [images, 1, positions, attentionSize]),
    tf.reshape(asked, [images, perImage, 1, attentionSize]),
  );
  const hidden = activation === 'tanh' ? tf.tanh(sum) : tf.relu(sum); // [images, perImage, positions, attentionSize]
  const flat = tf.reshape<tf.Rank.R3>(hidden, [rows, positions, attentionSize]);
  const slope: tf.Tensor3D = activation === 'tanh' ? tf.square(flat) : tf.step(flat);
  /** sum over positions of scores * x, row by row: [rows, attentionSize] */
  const weighed = (x: tf.Tensor3D) =>
    tf.reshape(tf.matMul(tf.reshape(scores, [rows, 1, positions]), x), [rows, attentionSize]);
  const bent = tf.mul(slope, tf.reshape(scores, [rows, positions, 1]));
  const total = tf.sum(scores, 1, true);
  const byImage = <T extends tf.Tensor>(x: tf.Tensor, shape: number[]) =>
    (perImage === 1 ? x : tf.sum(tf.reshape(x, [images, perImage, ...shape]), 1)) as T;
  return {
    asked: tf.mul(tf.reshape(params.score.weight, [1, attentionSize]), slopeOf(activation, total, weighed(slope))),
    sums: {
      scores: byImage(scores, [positions]),
      bent: byImage(bent, [positions, attentionSize]),
      scoreWeight: tf.reshape(tf.sum(weighed(flat), 0), [attentionSize, 1]),
    },
  };
}

/** The gradient of the keys [images, positions, attentionSize] from what was summed over steps. */
export function keyGradients(
  params: Pick<AdditiveAttentionParams, 'score'>,
  { scores, bent }: AttentionSums,
  activation: 'tanh' | 'relu',
): tf.Tensor3D {
  const slopes = slopeOf(activation, tf.expandDims(scores, 2), bent) as tf.Tensor3D;
  return tf.mul(tf.reshape(params.score.weight, [1, 1, -1]), slopes);
}

/** sum of scores * slope, of tanh from the sums of the scores and of scores * s^2 */
function slopeOf<T extends tf.Tensor>(activation: 'tanh' | 'relu', scores: tf.Tensor, bent: T): T {
  return activation === 'tanh' ? tf.sub(scores, bent) : bent;
}
