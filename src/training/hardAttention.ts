import * as tf from '@tensorflow/tfjs';
import { logOf } from '../attention/hard';
import { UsageError } from '../core/errors';
import { noGradient } from '../core/noGradient';
import { AttentionLSTMDecoder, type AttentionLSTMMemory } from '../decoders/attentionLSTM';
import type { TeacherForced } from '../decoders/types';
import { wordLoss } from './losses';
import type { Objective } from './objective';

export type HardAttentionOptions = {
  /** Weight of what is learned about where to look, against the words: the paper's lambda_r. Default 1. */
  reward?: number;
  /** Weight of the entropy of the looks, which keeps them from settling too soon: lambda_e. Default 0.002, as in the authors' code. */
  entropy?: number;
  /** How much of the moving average of log-probabilities stays at every step. Default 0.9. */
  decay?: number;
};

/**
 * Learning where to look by `hard` attention: looks are drawn, and those that make the true words likelier than they have been of
 * late become likelier themselves (REINFORCE).
 *
 * A step's `figures` are the baseline, a mean log-probability of captions, and the mean entropy of a look in nats. The moving
 * average is kept in snapshots; `dispose` frees it.
 *
 * @see Xu et al. 2015, https://arxiv.org/abs/1502.03044, section 4.1, equations 11 and 12 and what follows. Departure: one sample per
 * caption and step, all terms divided by the number of words, as the cross-entropy is.
 */
export function hardAttention({
  reward = 1,
  entropy = 0.002,
  decay = 0.9,
}: HardAttentionOptions = {}): Objective & { dispose(): void } {
  if (!(reward >= 0 && entropy >= 0))
    throw new UsageError(`reward is ${reward} and entropy ${entropy}, but both should be weights of at least 0.`);
  if (!(decay >= 0 && decay < 1)) throw new UsageError(`decay is ${decay} but should be in [0, 1), such as 0.9.`);
  /** The moving average, and whether there is one yet. */
  const baseline = tf.tidy(() => tf.variable(tf.tensor1d([0, 0]), false));
  return {
    ownCaptions: false,
    settings: { objective: 'hard-attention', reward, entropy, decay },
    params: { baseline },
    dispose: () => baseline.dispose(),
    async lesson({ captioner, captions, labelSmoothing, random }) {
      const { decoder } = captioner;
      if (!(decoder instanceof AttentionLSTMDecoder && decoder.attention.chooses))
        throw new UsageError(
          "hardAttention() teaches where to look, but this captioner draws nothing: create it with attention: 'hard'.",
        );
      const { rows, time, inputs, targets, wanted, mask } = captions;
      const { average, figures } = await baselineBefore(baseline);
      return {
        captions,
        figures,
        beside({ memory, drop }) {
          const tokens = tf.tensor2d(inputs, [rows, time], 'int32');
          const places = tf.tensor1d(wanted, 'int32');
          const asked = { wanted: places, drop, choose: random.fork('looks') };
          const pass = decoder.teacherForced(tokens, memory as AttentionLSTMMemory, asked);
          const said = tf.tensor1d(targets, 'int32');
          const logProbs = captionLogProbs(pass, said, places, [rows, time]);
          const mean = tf.mean<tf.Scalar>(logProbs);
          const before = average === undefined ? mean : tf.scalar(average);
          const after = tf.add(tf.mul(before, decay), tf.mul(mean, 1 - decay));
          baseline.assign(tf.stack([after, tf.scalar(1)]) as tf.Tensor1D);
          const looks = lookTerms(pass, tf.tensor2d(mask, [rows, time]), tf.sub<tf.Tensor1D>(logProbs, before));
          const words = wanted.length;
          return [
            { name: 'words', loss: wordLoss(pass, said, labelSmoothing), weight: 1 },
            { loss: looks.reward, weight: -reward / words },
            { name: 'entropy', loss: tf.div<tf.Scalar>(looks.entropy, words), weight: -entropy },
          ];
        },
      };
    },
  };
}

async function baselineBefore(baseline: tf.Variable) {
  const [value, known] = (await baseline.data()) as Float32Array;
  if (known === 0) return { average: undefined, figures: {} };
  return { average: value!, figures: { baseline: value! } };
}

/** Log-probabilities of whole captions [rows], which are constants: no gradient goes through them. */
function captionLogProbs(
  { logits }: Pick<TeacherForced, 'logits'>,
  targets: tf.Tensor1D,
  places: tf.Tensor1D,
  [rows, time]: [rows: number, time: number],
): tf.Tensor1D {
  return noGradient(logits, (x) => {
    const own = tf.gatherND(tf.logSoftmax(x), tf.stack([tf.range(0, targets.size, 1, 'int32'), targets], 1));
    const rowOf = tf.cast<tf.Tensor1D>(tf.floorDiv(places, tf.scalar(time, 'int32')), 'int32');
    return tf.unsortedSegmentSum(own, rowOf, rows) as tf.Tensor1D;
  });
}

/**
 * The two terms of equation 12 that are about looks, to be made large: the sum over captions of advantage * log-probability of
 * the positions that were drawn, and the sum of the entropies of all looks.
 *
 * @param mask - [rows, time], 1 where a word is learned
 * @param advantages - [rows], constants
 */
export function lookTerms(
  { weights, chosen }: Pick<TeacherForced, 'weights' | 'chosen'>,
  mask: tf.Tensor2D,
  advantages: tf.Tensor1D,
): { reward: tf.Scalar; entropy: tf.Scalar } {
  const logWeights = logOf(weights!);
  const ofLooks = tf.mul(tf.sum(tf.mul(chosen!, logWeights), 2), mask); // [rows, time]
  const entropies = tf.mul(tf.neg(tf.sum(tf.mul(weights!, logWeights), 2)), mask);
  return {
    reward: tf.sum<tf.Scalar>(tf.mul(tf.sum(ofLooks, 1), advantages)),
    entropy: tf.sum<tf.Scalar>(entropies),
  };
}
