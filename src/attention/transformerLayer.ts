import * as tf from '@tensorflow/tfjs';
import type { Activation } from '../core/activations';
import { type DenseParams, dense } from '../core/dense';
import { type Dropout, dropout } from '../core/dropout';
import { type LayerNormParams, layerNorm } from '../core/layerNorm';
import { recompute } from '../core/recompute';
import {
  crossAttention,
  type FusedCrossParams,
  type FusedSelfParams,
  type KeysAndValues,
  type MultiHeadParams,
  selfAttention,
} from './multiHead';
import type { SharedPast } from './sharedPast';

/** up [size -> innerSize], down [innerSize -> size] */
export type TransformerLayerParams = {
  attention: MultiHeadParams | FusedSelfParams;
  attentionNorm: LayerNormParams;
  /** Where words also attend to a picture. */
  cross?: MultiHeadParams | FusedCrossParams | undefined;
  crossNorm?: LayerNormParams | undefined;
  up: DenseParams;
  down: DenseParams;
  feedForwardNorm: LayerNormParams;
};

export type TransformerLayerConfig = {
  numHeads: number;
  /** `pre`: x + f(norm(x)), as GPT-2 and ViT. `post`: norm(x + f(x)), as the first transformer and BERT. */
  norm: 'pre' | 'post';
  epsilon: number;
  activate: Activation;
  /** Of the products of queries and keys; 1 / sqrt(size of a head) without it. */
  scale?: number | undefined;
};

export type TransformerLayerInputs = {
  /** Added to the scores of self-attention, see `attentionBias`. */
  bias?: tf.Tensor | undefined;
  /** Kept keys and values of the words before. */
  past?: KeysAndValues | undefined;
  /** What all rows of a picture have before their words; `bias` says nothing of it. */
  shared?: SharedPast | undefined;
  /** Of the picture, see `projectKeys`; without it a layer does not look. */
  memory?: KeysAndValues | undefined;
  /** Added to the scores of cross-attention. */
  memoryBias?: tf.Tensor | undefined;
  drop?: Dropout | undefined;
};

export type TransformerLayerOutputs = {
  /** [rows, time, size] */
  output: tf.Tensor3D;
  /** [rows, heads, time, past + time] */
  weights: tf.Tensor4D;
  /** [rows, heads, time, positions] */
  crossWeights?: tf.Tensor4D;
  present: KeysAndValues;
};

/**
 * A layer of a transformer: self-attention, perhaps attention to a picture, and a feed-forward network, each with a
 * residual connection and a norm before or after it.
 *
 * @param x - [rows, time, size]
 * @see Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, figure 1; pre-norm: Xiong et al. 2020,
 * https://arxiv.org/abs/2002.04745, figure 1b
 */
export function transformerLayer(
  params: TransformerLayerParams,
  x: tf.Tensor3D,
  { numHeads, norm, epsilon, activate, scale }: TransformerLayerConfig,
  { bias, past, shared, memory, memoryBias, drop }: TransformerLayerInputs = {},
): TransformerLayerOutputs {
  const before = (which: LayerNormParams, y: tf.Tensor3D) => (norm === 'pre' ? layerNorm(which, y, epsilon) : y);
  const after = (which: LayerNormParams, y: tf.Tensor3D, change: tf.Tensor3D, name: string) => {
    const sum = tf.add<tf.Tensor3D>(y, dropout(change, drop, name));
    return norm === 'post' ? layerNorm(which, sum, epsilon) : sum;
  };
  const within = (name: string) => drop && { ...drop, random: drop.random.fork(name) };

  const { attentionNorm, cross, crossNorm, feedForwardNorm } = params;
  const own = selfAttention(params.attention, before(attentionNorm, x), {
    numHeads,
    past,
    shared,
    bias,
    scale,
    drop: within('self'),
  });
  let y = after(attentionNorm, x, own.output, 'attentionOutput');
  let crossWeights: tf.Tensor4D | undefined;
  if (memory && cross && crossNorm) {
    const options = { bias: memoryBias, scale, drop: within('cross') };
    const seen = crossAttention(cross, before(crossNorm, y), memory, options);
    y = after(crossNorm, y, seen.output, 'crossOutput');
    crossWeights = seen.weights;
  }
  const inner = dense(params.down, activate(dense(params.up, before(feedForwardNorm, y))));
  const output = after(feedForwardNorm, y, inner, 'feedForward');
  return { output, weights: own.weights, present: own.present, ...(crossWeights && { crossWeights }) };
}

/** The output of `transformerLayer` alone, which is computed again on the way back: see `recompute`. */
export function recomputedLayer(
  params: TransformerLayerParams,
  x: tf.Tensor3D,
  config: TransformerLayerConfig,
  { bias, memory, memoryBias, drop }: Omit<TransformerLayerInputs, 'past' | 'shared'> = {},
): tf.Tensor3D {
  return recompute(
    { params, x, bias, memory, memoryBias },
    ({ params, x, ...seen }) => transformerLayer(params, x, config, { ...seen, drop }).output,
  );
}
