import * as tf from '@tensorflow/tfjs';

/** Cross-entropy of every next word: logits [rows, time, vocabSize], labels [rows, time], those of -100 left out. */
export function nextWordLoss(logits: tf.Tensor3D, labels: tf.Tensor): tf.Tensor {
  const [rows, time, vocabSize] = logits.shape;
  const logProbs = tf.logSoftmax(tf.slice(logits, [0, 0, 0], [rows, time - 1, vocabSize]));
  const next = tf.slice(labels, [0, 1], [rows, time - 1]);
  const counted = tf.cast(tf.notEqual(next, -100), 'float32');
  const chosen = tf.cast(tf.oneHot(tf.cast(tf.maximum(next, 0), 'int32'), vocabSize), 'float32');
  const each = tf.mul(tf.sum(tf.mul(chosen, logProbs), -1), counted);
  return tf.neg(tf.div(tf.sum(each), tf.sum(counted)));
}
