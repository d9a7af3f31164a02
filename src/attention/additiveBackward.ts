import * as tf from '@tensorflow/tfjs';
import { ownKernel } from '../core/ownKernel';
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
  /** Scores' gradients times s, summed over positions; over rows it is the gradient of the score's weight, [rows, attentionSize] */
  byHidden: tf.Tensor2D;
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
  const scores: tf.Tensor2D = tf.sub(pulled, tf.mul(weights, tf.sum(pulled, 1, true))); // [rows, positions]

  const { byHidden, bySlope, bent } = overPositions(asked, keys, scores, activation);
  const total = tf.sum(scores, 1, true);
  return {
    asked: tf.mul(tf.reshape(params.score.weight, [1, attentionSize]), slopeOf(activation, total, bySlope)),
    sums: { scores: byImage(scores, images, [positions]), bent, byHidden },
  };
}

/** Sums of scores * s and of scores * slope' over positions, [rows, attentionSize], and `bent`; slope' is s^2 for tanh. */
function overPositions(
  asked: tf.Tensor2D,
  keys: tf.Tensor3D,
  scores: tf.Tensor2D,
  activation: 'tanh' | 'relu',
): { byHidden: tf.Tensor2D; bySlope: tf.Tensor2D; bent: tf.Tensor3D } {
  const whole = ownKernel('AdditiveSlopes', { asked, keys, scores }, { activation });
  if (whole) {
    const [byHidden, bySlope, bent] = whole as [tf.Tensor2D, tf.Tensor2D, tf.Tensor3D];
    return { byHidden, bySlope, bent };
  }
  const [images, positions, attentionSize] = keys.shape;
  const rows = asked.shape[0];
  const sum = tf.add(
    tf.reshape(keys, [images, 1, positions, attentionSize]),
    tf.reshape(asked, [images, rows / images, 1, attentionSize]),
  );
  const hidden = tf.reshape<tf.Rank.R3>(activation === 'tanh' ? tf.tanh(sum) : tf.relu(sum), [
    rows,
    positions,
    attentionSize,
  ]);
  const slope: tf.Tensor3D = activation === 'tanh' ? tf.square(hidden) : tf.step(hidden);
  const across = tf.reshape<tf.Rank.R3>(scores, [rows, 1, positions]);
  const summed = (x: tf.Tensor3D) => tf.reshape<tf.Rank.R2>(tf.matMul(across, x), [rows, attentionSize]);
  const bent = tf.mul(slope, tf.reshape(scores, [rows, positions, 1]));
  return { byHidden: summed(hidden), bySlope: summed(slope), bent: byImage(bent, images, [positions, attentionSize]) };
}

/** [rows, ...shape] summed over the rows of an image, [images, ...shape] */
function byImage<T extends tf.Tensor>(x: tf.Tensor, images: number, shape: number[]): T {
  const perImage = x.shape[0]! / images;
  return (perImage === 1 ? x : tf.sum(tf.reshape(x, [images, perImage, ...shape]), 1)) as T;
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
