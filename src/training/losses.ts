import * as tf from '@tensorflow/tfjs';
import { type LinearParams, linear } from '../core/linear';
import { operation } from '../core/operation';
import type { TeacherForced } from '../decoders/types';

/**
 * Mean cross-entropy in nats between logits [n, vocabSize] and targets [n] of int32.
 *
 * With label smoothing e the target is (1 - e) on the true word and e / vocabSize on every word (Szegedy et al.
 * 2016, section 7; PyTorch's definition). The gradient (softmax - target) / n is written by hand: autodiff would keep
 * several more tensors of the size of the logits.
 *
 * @param weights - [n], by which the losses of the words are multiplied before the mean over n
 */
export function crossEntropy(
  logits: tf.Tensor2D,
  targets: tf.Tensor1D,
  labelSmoothing = 0,
  weights?: tf.Tensor1D,
): tf.Scalar {
  const [n] = logits.shape;
  const [loss] = operation<{ logits: tf.Tensor2D }, [tf.Scalar], { difference: tf.Tensor2D }>(
    { logits },
    () => {
      const { losses, difference } = wordLosses(logits, targets, labelSmoothing, weights);
      return { outputs: [tf.mean(losses)], kept: { difference: difference() } };
    },
    ([above], { difference }) => ({ logits: () => tf.mul(difference, tf.div(above, n)) }),
  );
  return loss;
}

/** Numbers in the logits that are in memory at a time: 32 MB. */
const CHUNK = 2 ** 23;

/**
 * `crossEntropy` of `linear(output, hidden)` without the logits of all words ever being in memory: they are computed for
 * some rows at a time, and their gradient is at once turned into that of the output layer and of what it reads.
 *
 * @param last - hidden [n, hiddenSize], and the output layer [hiddenSize -> vocabSize]
 */
export function linearCrossEntropy(
  last: { hidden: tf.Tensor2D; output: LinearParams },
  targets: tf.Tensor1D,
  labelSmoothing = 0,
  weights?: tf.Tensor1D,
  chunk = CHUNK,
): tf.Scalar {
  const { hidden, output } = last;
  const [n, hiddenSize] = hidden.shape;
  const height = Math.max(1, Math.floor(chunk / output.bias.shape[0]));
  type Inputs = { hidden: tf.Tensor2D; output: LinearParams };
  type Done = { losses: tf.Tensor1D; read?: tf.Tensor2D; sums?: LinearParams };
  const [loss] = operation<Inputs, [tf.Scalar], { hidden?: tf.Tensor2D; output?: LinearParams }>(
    { hidden, output },
    (taped) => {
      const losses: tf.Tensor1D[] = [];
      const read: tf.Tensor2D[] = [];
      let sums: LinearParams | undefined;
      for (let start = 0; start < n; start += height) {
        const count = Math.min(height, n - start);
        const done = tf.tidy((): Done => {
          const rows = tf.slice<tf.Rank.R2, tf.Tensor2D>(hidden, [start, 0], [count, hiddenSize]);
          const { losses, difference } = wordLosses(
            linear(output, rows),
            tf.slice(targets, start, count),
            labelSmoothing,
            weights && tf.slice(weights, start, count),
          );
          if (!taped) return { losses };
          const gradient = difference();
          const weight: tf.Tensor2D = tf.matMul(rows, gradient, true); // [hiddenSize, vocabSize]
          const bias = tf.sum<tf.Tensor1D>(gradient, 0);
          return {
            losses,
            read: tf.matMul(gradient, output.weight, false, true),
            sums: sums
              ? { weight: tf.add<tf.Tensor2D>(sums.weight, weight), bias: tf.add<tf.Tensor1D>(sums.bias, bias) }
              : { weight, bias },
          };
        });
        losses.push(done.losses);
        if (!done.sums || !done.read) continue;
        read.push(done.read);
        if (sums) tf.dispose(sums);
        sums = done.sums;
      }
      const value = tf.mean<tf.Scalar>(tf.concat(losses));
      return { outputs: [value], kept: sums ? { hidden: tf.concat(read), output: sums } : {} };
    },
    ([above], kept) => {
      const scaled = (sum: tf.Tensor) => () => tf.mul(sum, tf.div(above, n));
      const { weight, bias } = kept.output!;
      return { hidden: scaled(kept.hidden!), output: { weight: scaled(weight), bias: scaled(bias) } };
    },
  );
  return loss;
}

/**
 * losses [n] of logits [n, vocabSize], and the difference softmax - target, which is their gradient.
 *
 * log(sum of exp(logits)) is the largest logit less the log of its probability: that needs no further tensor of the size
 * of the logits, and the largest probability is never small.
 */
function wordLosses(
  logits: tf.Tensor2D,
  targets: tf.Tensor1D,
  labelSmoothing: number,
  weights: tf.Tensor1D | undefined,
) {
  const [n, vocabSize] = logits.shape;
  const probabilities: tf.Tensor2D = tf.softmax(logits);
  const total = tf.sub(tf.max(logits, 1), tf.log(tf.max(probabilities, 1)));
  const places = tf.stack([tf.range(0, n, 1, 'int32'), targets], 1); // of the true words, [n, 2]
  const spoken = tf.gatherND(logits, places);
  const smooth = labelSmoothing > 0;
  const wanted = smooth
    ? tf.add(tf.mul(spoken, 1 - labelSmoothing), tf.mul(tf.mean(logits, 1), labelSmoothing))
    : spoken;
  const losses = tf.sub<tf.Tensor1D>(total, wanted);
  return {
    losses: weights ? tf.mul<tf.Tensor1D>(losses, weights) : losses,
    difference: (): tf.Tensor2D => {
      const others = smooth ? tf.sub<tf.Tensor2D>(probabilities, labelSmoothing / vocabSize) : probabilities;
      const found = tf.tensorScatterUpdate(others, places, tf.sub(tf.gatherND(others, places), 1 - labelSmoothing));
      return weights ? tf.mul<tf.Tensor2D>(found, tf.expandDims(weights, 1)) : found;
    },
  };
}

/**
 * Mean cross-entropy in nats between logits [n, vocabSize], divided by `temperature`, and probabilities of the same shape, which
 * are constants.
 */
export function softCrossEntropy(logits: tf.Tensor2D, wanted: tf.Tensor2D, temperature = 1): tf.Scalar {
  const [n] = logits.shape;
  const [loss] = operation<{ logits: tf.Tensor2D }, [tf.Scalar], { difference: tf.Tensor2D }>(
    { logits },
    () => {
      const logProbs = tf.logSoftmax<tf.Tensor2D>(tf.div(logits, temperature));
      const loss = tf.neg<tf.Scalar>(tf.mean(tf.sum(tf.mul(wanted, logProbs), 1)));
      return { outputs: [loss], kept: { difference: tf.sub<tf.Tensor2D>(tf.exp(logProbs), wanted) } };
    },
    ([above], { difference }) => ({ logits: () => tf.mul(difference, tf.div(above, n * temperature)) }),
  );
  return loss;
}

/** What a loss reads of a teacher-forced pass. */
export type Said = Pick<TeacherForced, 'logits' | 'last'>;

/** `linearCrossEntropy` where the pass ends in a linear layer, or else `crossEntropy`. */
export function wordLoss(said: Said, targets: tf.Tensor1D, labelSmoothing = 0, weights?: tf.Tensor1D): tf.Scalar {
  return said.last
    ? linearCrossEntropy(said.last, targets, labelSmoothing, weights)
    : crossEntropy(said.logits, targets, labelSmoothing, weights);
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
