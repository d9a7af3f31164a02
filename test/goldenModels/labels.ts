import * as tf from '@tensorflow/tfjs';
import type { GuessedWords } from '../../src/models/bertEncoder';
import { crossEntropy, linearCrossEntropy } from '../../src/training/losses';

/** Places [n] of the labels [rows, time] that count, as int32 indices, and what stands there. */
export function labelled(labels: tf.Tensor, ignored: number): { places: tf.Tensor1D; targets: tf.Tensor1D } {
  const flat = [...labels.dataSync()];
  const places = flat.flatMap((label, place) => (label === ignored ? [] : [place]));
  return {
    places: tf.tensor1d(places, 'int32'),
    targets: tf.tensor1d(
      places.map((place) => flat[place]!),
      'int32',
    ),
  };
}

/** Mean cross-entropy of masked words. */
export function maskedWordLoss(
  guess: (places: tf.Tensor1D) => GuessedWords,
  labels: tf.Tensor,
  ignored = -100,
): tf.Scalar {
  const { places, targets } = labelled(labels, ignored);
  return linearCrossEntropy(guess(places).last, targets);
}

/** Mean cross-entropy of classes [rows], those that are ignored left out. */
export function classLoss(logits: tf.Tensor2D, labels: tf.Tensor, ignored = -100): tf.Scalar {
  const { places, targets } = labelled(labels, ignored);
  return crossEntropy(tf.gather(logits, places), targets);
}

/** A loss of rank 0 as the cases hold it. */
export const asCase = (loss: tf.Scalar): tf.Tensor => tf.reshape(loss, [1]);
