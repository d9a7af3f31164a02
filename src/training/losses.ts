import * as tf from '@tensorflow/tfjs';

/**
 * Mean cross-entropy in nats between logits [n, vocabSize] and targets [n] of int32.
 *
 * With label smoothing e the target is (1 - e) on the true word and e / vocabSize on every word (Szegedy et al.
 * 2016, section 7; PyTorch's definition). The gradient (softmax - target) / n is written by hand: autodiff would keep
 * several more tensors of the size of the logits.
 */
export function crossEntropy(logits: tf.Tensor2D, targets: tf.Tensor1D, labelSmoothing = 0): tf.Scalar {
  const [n, vocabSize] = logits.shape;
  const custom = tf.customGrad((x, save) => {
    const logProbs = tf.logSoftmax(x as tf.Tensor2D);
    const hits = tf.oneHot(targets, vocabSize);
    const wanted =
      labelSmoothing === 0
        ? tf.cast(hits, 'float32')
        : tf.add(tf.mul(hits, 1 - labelSmoothing), labelSmoothing / vocabSize);
    (save as tf.GradSaveFunc)([logProbs, wanted]);
    return {
      // Row by row: some backends add one by one in float32, which over all numbers at once costs the second digit.
      value: tf.neg(tf.mean(tf.sum(tf.mul(logProbs, wanted), 1))) as tf.Scalar,
      gradFunc: (dy: tf.Scalar, [logProbs, wanted]: tf.Tensor[]) =>
        tf.mul(tf.sub(tf.exp(logProbs!), wanted!), tf.div(dy, n)),
    };
  });
  return custom(logits) as tf.Scalar;
}

/**
 * Doubly stochastic attention: over a caption every position should be looked at once in all.
 * Mean over captions and positions of (1 - sum over words of the weight)^2.
 *
 * @param weights - [rows, time, positions]
 * @param mask - [rows, time], 1 for real words, 0 after the end
 * @see Xu et al. 2015, section 4.2.1, equation 14, whose sum over positions is a mean here, as in PyTorch's usual
 * implementations
 */
export function doublyStochastic(weights: tf.Tensor3D, mask: tf.Tensor2D): tf.Scalar {
  const looked = tf.sum(tf.mul(weights, tf.expandDims(mask, 2)), 1); // [rows, positions]
  return tf.mean(tf.square(tf.sub(1, looked)));
}
