import * as tf from '@tensorflow/tfjs';
import { DataError } from '../core/errors';
import type { RegionGuesses } from './lxmert';
import type { LxmertConfig } from './lxmertConfig';

/** What regions show, and how sure a detector was of it: labels and confidence [rows, regions], values [rows, regions, size] */
export type RegionTargets = {
  objects?: { labels: tf.Tensor2D; confidence: tf.Tensor2D };
  attributes?: { labels: tf.Tensor2D; confidence: tf.Tensor2D };
  features?: { values: tf.Tensor3D; confidence: tf.Tensor2D };
};

/**
 * How far LXMERT's guesses about regions are from what they show: cross-entropy of objects and attributes, and Huber's loss of
 * features, each times the confidence, as the mean over all regions; their sum times `regionLossScale`.
 *
 * @throws DataError for guesses without a target
 * @see Tan and Bansal 2019, https://arxiv.org/abs/1908.07490, section 3.1.2; transformers, `LxmertForPreTraining`
 */
export function regionLoss(
  guesses: RegionGuesses,
  targets: RegionTargets,
  { regionLossScale }: Pick<LxmertConfig, 'regionLossScale'>,
): tf.Scalar {
  const parts = Object.entries(guesses).map(([name, guessed]) => {
    const target = targets[name as keyof RegionTargets];
    if (!target) throw new DataError(`There are guesses of the ${name} of regions, but no targets for them.`);
    const losses =
      'values' in target ? huber(tf.sub(guessed, target.values)) : labelLosses(guessed as tf.Tensor3D, target.labels);
    return tf.mean(tf.mul(losses, target.confidence));
  });
  return tf.mul<tf.Scalar>(tf.addN(parts), regionLossScale);
}

/** Cross-entropy [rows, regions] of logits [rows, regions, classes]; 0 where the label is -100. */
function labelLosses(logits: tf.Tensor3D, labels: tf.Tensor2D): tf.Tensor2D {
  const known = tf.cast(tf.notEqual(labels, -100), 'float32');
  const ids = tf.maximum<tf.Tensor2D>(labels, tf.scalar(0, 'int32'));
  const chosen = tf.cast(tf.oneHot(ids, logits.shape[2]), 'float32');
  return tf.neg(tf.mul(tf.sum(tf.mul(chosen, tf.logSoftmax(logits)), -1), known));
}

/** Huber's loss with a bend at 1, the mean over the last axis. */
function huber(difference: tf.Tensor): tf.Tensor {
  const size = tf.abs(difference);
  const bent = tf.minimum(size, 1);
  return tf.mean(tf.add(tf.mul(tf.square(bent), 0.5), tf.sub(size, bent)), -1);
}

/**
 * How far ViLBERT's guesses about masked regions are from the classes that a detector gave them: the Kullback-Leibler divergence
 * of targets and guesses, as the mean over masked regions; 0 where none is masked.
 *
 * @param logits - [rows, regions, classes], without the region that is the whole picture
 * @param targets - probabilities of the same shape
 * @param masked - [rows, regions], 1 = masked
 * @see Lu et al. 2019, https://arxiv.org/abs/1908.02265, section 2.2
 */
export function regionClassLoss(logits: tf.Tensor3D, targets: tf.Tensor3D, masked: tf.Tensor2D): tf.Scalar {
  const known = tf.log(tf.where(tf.greater(targets, 0), targets, tf.onesLike(targets))); // 0 log 0 is 0
  const divergence = tf.sum(tf.mul(targets, tf.sub(known, tf.logSoftmax(logits))), -1);
  return meanOver(divergence, masked);
}

/** The same for guesses of the features themselves: their squared distance, as the mean over the numbers of masked regions. */
export function regionFeatureLoss(guessed: tf.Tensor3D, targets: tf.Tensor3D, masked: tf.Tensor2D): tf.Scalar {
  return meanOver(tf.mean(tf.square(tf.sub(guessed, targets)), -1), masked);
}

function meanOver(losses: tf.Tensor, masked: tf.Tensor2D): tf.Scalar {
  const counted = tf.cast(masked, 'float32');
  return tf.div(tf.sum(tf.mul(losses, counted)), tf.maximum(tf.sum(counted), 1));
}
