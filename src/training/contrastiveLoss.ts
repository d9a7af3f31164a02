import * as tf from '@tensorflow/tfjs';

/** The largest factor on cosines that training may learn. */
const LARGEST_SCALE = 100;

/**
 * Takes a scale that a step of the optimizer has made too large back to log(100), so that training stays stable.
 *
 * @param logitScale - the logarithm of the factor on cosines: a variable
 * @see Radford et al. 2021, section 2.5
 */
export function clampLogitScale(logitScale: tf.Scalar): void {
  const clamped = tf.minimum<tf.Scalar>(logitScale, Math.log(LARGEST_SCALE));
  (logitScale as unknown as tf.Variable).assign(clamped);
  clamped.dispose();
}

/**
 * How far pictures and texts are from finding each other in a batch: cross-entropy over the pictures for every text, and over
 * the texts for every picture, the mean of both, in nats. Cosines are multiplied by exp(logitScale), 1 / temperature.
 *
 * A picture with several texts should find all of them: its target is spread over them evenly. With one text per picture this
 * is CLIP's loss.
 *
 * @param images - of length 1, [images, size]
 * @param texts - of length 1, [texts, size], texts a multiple of images: those of one picture together
 * @see Radford et al. 2021, https://arxiv.org/abs/2103.00020, figure 3; several texts: Khosla et al. 2020,
 * https://arxiv.org/abs/2004.11362, equation 2
 */
export function contrastiveLoss(images: tf.Tensor2D, texts: tf.Tensor2D, logitScale: tf.Scalar): tf.Scalar {
  const [count, each] = [images.shape[0], texts.shape[0] / images.shape[0]];
  const logits = tf.mul<tf.Tensor2D>(tf.matMul(texts, images, false, true), tf.exp(logitScale)); // [texts, images]
  const own = tf.reshape(tf.tile(tf.reshape(tf.eye(count), [count, 1, count]), [1, each, 1]), [-1, count]);
  const ofTexts = tf.neg(tf.mean(tf.sum(tf.mul(own, tf.logSoftmax(logits)), 1)));
  const wanted = tf.div(tf.transpose(own), each);
  const ofImages = tf.neg(tf.mean(tf.sum(tf.mul(wanted, tf.logSoftmax(tf.transpose(logits))), 1)));
  return tf.mul(tf.add(ofTexts, ofImages), 0.5);
}
