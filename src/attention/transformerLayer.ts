import * as tf from '@tensorflow/tfjs';
import type { Activation } from '../core/activations';
import { type DenseParams, dense } from '../core/dense';
import { type Dropout, dropout, within } from '../core/dropout';
import { type LayerNormParams, layerNorm } from '../core/layerNorm';
import { recompute } from '../core/recompute';
import { tidyUntaped } from '../core/tidyUntaped';
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
  config: TransformerLayerConfig,
  inputs: TransformerLayerInputs = {},
): TransformerLayerOutputs {
  return tidyUntaped(() => throughLayer(params, x, config, inputs));
}

/** The output of `transformerLayer` alone: nothing else of the layer is kept. */
export function layerOutput(...layer: Parameters<typeof transformerLayer>): tf.Tensor3D {
  return tidyUntaped(() => transformerLayer(...layer).output);
}

function throughLayer(
  params: TransformerLayerParams,
  x: tf.Tensor3D,
  config: TransformerLayerConfig,
  { bias, past, shared, memory, memoryBias, drop }: TransformerLayerInputs,
): TransformerLayerOutputs {
  const { attentionNorm, cross, crossNorm } = params;
  const { numHeads, scale } = config;
  const own = selfAttention(params.attention, normBefore(attentionNorm, x, config), {
    numHeads,
    past,
    shared,
    bias,
    scale,
    drop: within(drop, 'self'),
  });
  let y = addChange(attentionNorm, x, dropout(own.output, drop, 'attentionOutput'), config);
  let crossWeights: tf.Tensor4D | undefined;
  if (memory && cross && crossNorm) {
    const looked = lookLayer({ cross, crossNorm }, y, memory, config, { memoryBias, drop });
    y = looked.output;
    crossWeights = looked.weights;
  }
  const output = feedForwardLayer(params, y, config, drop);
  return { output, weights: own.weights, present: own.present, ...(crossWeights && { crossWeights }) };
}

/**
 * The part of a layer that looks at something else, with its residual connection and norm.
 *
 * @param x - [rows, time, size]
 * @param memory - what `projectKeys` made of that
 * @returns output [rows, time, size]; weights [rows, heads, time, positions]
 */
export function lookLayer(
  { cross, crossNorm }: { cross: Pick<MultiHeadParams, 'query' | 'output'>; crossNorm: LayerNormParams },
  x: tf.Tensor3D,
  memory: KeysAndValues,
  config: Pick<TransformerLayerConfig, 'norm' | 'epsilon' | 'scale'>,
  { memoryBias, drop }: Pick<TransformerLayerInputs, 'memoryBias' | 'drop'> = {},
): { output: tf.Tensor3D; weights: tf.Tensor4D } {
  const options = { bias: memoryBias, scale: config.scale, drop: within(drop, 'cross') };
  const { output, weights } = crossAttention(cross, normBefore(crossNorm, x, config), memory, options);
  return { output: addChange(crossNorm, x, dropout(output, drop, 'crossOutput'), config), weights };
}

/** The part of a layer that is a network of its own at every place, with its residual connection and norm: [rows, time, size]. */
export function feedForwardLayer(
  { up, down, feedForwardNorm }: Pick<TransformerLayerParams, 'up' | 'down' | 'feedForwardNorm'>,
  x: tf.Tensor3D,
  config: Pick<TransformerLayerConfig, 'norm' | 'epsilon' | 'activate'>,
  drop?: Dropout,
): tf.Tensor3D {
  const inner = dense(down, config.activate(dense(up, normBefore(feedForwardNorm, x, config))));
  return addChange(feedForwardNorm, x, dropout(inner, drop, 'feedForward'), config);
}

type NormConfig = Pick<TransformerLayerConfig, 'norm' | 'epsilon'>;

function normBefore(params: LayerNormParams, x: tf.Tensor3D, { norm, epsilon }: NormConfig): tf.Tensor3D {
  return norm === 'pre' ? layerNorm(params, x, epsilon) : x;
}

function addChange(params: LayerNormParams, x: tf.Tensor3D, change: tf.Tensor3D, { norm, epsilon }: NormConfig) {
  const sum = tf.add<tf.Tensor3D>(x, change);
  return norm === 'post' ? layerNorm(params, sum, epsilon) : sum;
}

/** The output of `transformerLayer` alone, which is computed again on the way back: see `recompute`. */
export function recomputedLayer(
  params: TransformerLayerParams,
  x: tf.Tensor3D,
  config: TransformerLayerConfig,
  { bias, memory, memoryBias, drop }: Omit<TransformerLayerInputs, 'past' | 'shared'> = {},
): tf.Tensor3D {
  return recompute({ params, x, bias, memory, memoryBias }, ({ params, x, ...seen }) =>
    layerOutput(params, x, config, { ...seen, drop }),
  );
}
