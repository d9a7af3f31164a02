import * as tf from '@tensorflow/tfjs';
import { multiHeadSpec } from '../attention/multiHead';
import { layerOutput, type TransformerLayerConfig } from '../attention/transformerLayer';
import { activation } from '../core/activations';
import { dense } from '../core/dense';
import { layerNormSpec, linearSpec, tableSpec } from '../core/layerSpecs';
import type { ParamsOf } from '../core/spec';

/** `mlp` reads the mean of the features; `transformer` reads each position as `tokens` tokens. */
export type PrefixMapping =
  | { type: 'mlp' }
  | { type: 'transformer'; numLayers: number; numHeads: number; tokens: number };

export type PrefixMapperConfig = {
  featureSize: number;
  /** Of the language model. */
  hiddenSize: number;
  /** Tokens that a picture becomes. */
  length: number;
  mapping: PrefixMapping;
};

export function prefixMapperSpec({ featureSize, hiddenSize, length, mapping }: PrefixMapperConfig) {
  const wide = length * hiddenSize;
  if (mapping.type === 'mlp') {
    const inner = Math.floor(wide / 2);
    return {
      mlp: { up: linearSpec('up', featureSize, inner), down: linearSpec('down', inner, wide) },
      transformer: undefined,
    };
  }
  return {
    mlp: undefined,
    transformer: {
      features: linearSpec('features', featureSize, mapping.tokens * hiddenSize),
      queries: tableSpec<tf.Rank.R2>('queries', [length, hiddenSize], 1),
      layers: Array.from({ length: mapping.numLayers }, (_, layer) => {
        const at = (name: string) => `layers.${layer}.${name}`;
        const names = { query: at('query'), key: at('key'), value: at('value'), output: at('output') };
        return {
          attention: multiHeadSpec(names, { querySize: hiddenSize, bias: false }),
          attentionNorm: layerNormSpec(at('attentionNorm'), hiddenSize),
          up: linearSpec(at('up'), hiddenSize, 2 * hiddenSize),
          down: linearSpec(at('down'), 2 * hiddenSize, hiddenSize),
          feedForwardNorm: layerNormSpec(at('feedForwardNorm'), hiddenSize),
        };
      }),
    },
  };
}

export type PrefixMapperParams = ParamsOf<ReturnType<typeof prefixMapperSpec>>;

/**
 * Turns features into tokens that a language model reads before its words: by a network of two layers with tanh, or by a
 * transformer that fills learned queries.
 *
 * @param features - [images, positions, featureSize]
 * @returns [images, length, hiddenSize]
 * @see Mokady et al. 2021, https://arxiv.org/abs/2111.09734, section 3.2, and its authors' code. Departure: where there are
 * several positions, the transformer reads all of them, and the network their mean.
 */
export function prefixMapper(
  { mlp, transformer }: PrefixMapperParams,
  { hiddenSize, length, mapping }: PrefixMapperConfig,
  features: tf.Tensor3D,
): tf.Tensor3D {
  const images = features.shape[0];
  if (mlp) {
    const inner = tf.tanh(dense(mlp.up, tf.mean<tf.Tensor2D>(features, 1)));
    return tf.reshape(dense(mlp.down, inner), [images, length, hiddenSize]);
  }
  const { features: project, queries, layers } = transformer!;
  const seen = tf.reshape<tf.Rank.R3>(dense(project, features), [images, -1, hiddenSize]);
  const asked = tf.tile(tf.expandDims<tf.Tensor3D>(queries, 0), [images, 1, 1]);
  const layer: TransformerLayerConfig = {
    numHeads: mapping.type === 'transformer' ? mapping.numHeads : 1,
    norm: 'pre',
    epsilon: 1e-5,
    activate: activation('relu'),
  };
  let x: tf.Tensor3D = tf.concat([seen, asked], 1);
  for (const each of layers) x = layerOutput(each, x, layer);
  return tf.slice(x, [0, x.shape[1] - length, 0], [images, length, hiddenSize]);
}
