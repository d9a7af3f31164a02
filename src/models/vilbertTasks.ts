import * as tf from '@tensorflow/tfjs';
import { dense } from '../core/dense';
import { linearSpec, tableSpec } from '../core/layerSpecs';
import type { ParameterSpec, ParamsOf } from '../core/spec';
import { classifierSpec, classify } from './classifier';
import type { VilbertConfig } from './vilbertConfig';

const DRAWN = { deviation: 0.02 };

/** A linear layer whose weight has a direction, and one length for all of it, as `weight_norm(..., dim=None)` of PyTorch. */
function weightNormSpec(key: string, inputSize: number, outputSize: number) {
  const { weight, bias } = linearSpec(key, inputSize, outputSize, DRAWN);
  const today = `${key}.parametrizations.weight.original`;
  const length: ParameterSpec<tf.Scalar> = {
    ...tableSpec<tf.Rank.R0>(`${key}.weight_g`, []),
    aliases: [`${today}0`],
    init: () => tf.scalar(1),
  };
  return { direction: { ...weight, key: `${key}.weight_v`, aliases: [`${today}1`] }, length, bias };
}

type WeightNormParams = ParamsOf<ReturnType<typeof weightNormSpec>>;

function weightNormed({ direction, length, bias }: WeightNormParams, x: tf.Tensor2D): tf.Tensor2D {
  const norm = tf.sqrt(tf.sum(tf.square(direction)));
  return dense({ weight: tf.mul<tf.Tensor2D>(direction, tf.div(length, norm)), bias }, x);
}

/** The heads for tasks; none for a model that was only pretrained. */
export function vilbertTasksSpec({ words, regions, both, tasks }: VilbertConfig) {
  if (!tasks) return undefined;
  const size = both.hiddenSize;
  const linear = (name: string, from: number, to: number) => linearSpec(name, from, to, DRAWN);
  const choice = (name: string, from: number, answers: number) => classifierSpec(`${name}.`, from, 2 * size, answers);
  const twelve = tasks.kind === 'twelve';
  return {
    firstAnswers: twelve
      ? undefined
      : {
          up: weightNormSpec('vil_prediction.main.0', size, 2 * size),
          down: weightNormSpec('vil_prediction.main.3', 2 * size, tasks.answers),
        },
    answers: twelve ? choice('vil_prediction', size, tasks.answers) : undefined,
    gqa: twelve ? choice('vil_prediction_gqa', size, tasks.gqa) : undefined,
    pairs: twelve ? choice('vil_binary_prediction', 2 * size, 2) : undefined,
    entailment: twelve ? linear('vil_tri_prediction', size, 3) : undefined,
    retrieval: linear('vil_logit', size, 1),
    regionScores: linear('vision_logit', regions.hiddenSize, 1),
    wordScores: linear('linguisic_logit', words.hiddenSize, 1), // so in the files
  };
}

export type VilbertTaskParams = NonNullable<ParamsOf<ReturnType<typeof vilbertTasksSpec>>>;

export type VilbertTaskInputs = {
  /** [rows, both.hiddenSize] */
  pooled: tf.Tensor2D;
  /** The last hidden states, [rows, time, size] and [rows, regions, size]. */
  words: tf.Tensor3D;
  regions: tf.Tensor3D;
  /** [rows, regions], 1 = padding */
  regionPadding?: tf.Tensor2D | undefined;
};

export type VilbertTaskLogits = {
  /** Which answer, such as of VQA, [rows, answers]. */
  answers: tf.Tensor2D;
  /** How well text and picture fit, [rows, 1], to compare pictures of a text and texts of a picture by. */
  retrieval: tf.Tensor2D;
  /** Which region is meant, [rows, regions, 1]; far below the others for padding. */
  regionScores: tf.Tensor3D;
  /** [rows, time, 1] */
  wordScores: tf.Tensor3D;
  /** Of models for twelve tasks: which answer of GQA, [rows, answers]. */
  gqa?: tf.Tensor2D;
  /** Of those, where rows are even: two pictures in rows one after another, and whether the text is true of both, [rows / 2, 2]. */
  pairs?: tf.Tensor2D;
  /** Of those: whether the picture contradicts the text, leaves it open, or says so, [rows, 3]. */
  entailment?: tf.Tensor2D;
};

/** Logits of all tasks that there are heads for. */
export function vilbertTasks(
  params: VilbertTaskParams,
  { pooled, words, regions, regionPadding }: VilbertTaskInputs,
): VilbertTaskLogits {
  const { firstAnswers, answers, gqa, pairs, entailment } = params;
  const [rows, size] = pooled.shape;
  const scores = dense(params.regionScores, regions);
  return {
    answers: firstAnswers
      ? weightNormed(firstAnswers.down, tf.relu(weightNormed(firstAnswers.up, pooled)))
      : classify(answers!, pooled),
    retrieval: dense(params.retrieval, pooled),
    regionScores: regionPadding ? tf.sub(scores, tf.mul(tf.expandDims(regionPadding, 2), 10000)) : scores,
    wordScores: dense(params.wordScores, words),
    ...(gqa && { gqa: classify(gqa, pooled) }),
    ...(pairs && rows % 2 === 0 && { pairs: classify(pairs, tf.reshape(pooled, [rows / 2, 2 * size])) }),
    ...(entailment && { entailment: dense(entailment, pooled) }),
  };
}
