import * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import { multiHeadSpec, projectKeys } from '../attention/multiHead';
import { layerOutput, type TransformerLayerConfig } from '../attention/transformerLayer';
import { activation } from '../core/activations';
import { type Dropout, dropout } from '../core/dropout';
import { layerNorm } from '../core/layerNorm';
import { layerNormSpec, linearSpec, tableSpec } from '../core/layerSpecs';
import { readConfig, whole } from '../core/schema';
import type { ParamsOf } from '../core/spec';

export type QFormerConfig = {
  size: number;
  innerSize: number;
  numLayers: number;
  numHeads: number;
  /** Every so many layers, from the first on, look at the picture. */
  lookEvery: number;
  /** Of the picture's features. */
  featureSize: number;
  /** Learned questions, each of which becomes a token. */
  queries: number;
  activation: string;
  epsilon: number;
};

const schema = v.object({
  hidden_size: v.optional(whole, 768),
  intermediate_size: v.optional(whole, 3072),
  num_hidden_layers: v.optional(whole, 12),
  num_attention_heads: v.optional(whole, 12),
  hidden_act: v.optional(v.string(), 'gelu'),
  layer_norm_eps: v.optional(v.number(), 1e-12),
  position_embedding_type: v.optional(v.literal('absolute'), 'absolute'),
  cross_attention_frequency: v.optional(whole, 2),
  encoder_hidden_size: v.optional(whole, 1408),
  use_qformer_text_input: v.optional(v.literal(false), false),
});

/**
 * Reads the `qformer_config` of transformers' BLIP-2.
 *
 * @throws DataError for settings that are not supported
 */
export function readQFormerConfig(json: unknown, queries: number): QFormerConfig {
  const config = readConfig(schema, json, 'qformer_config');
  activation(config.hidden_act); // which throws for one that is not known
  return {
    size: config.hidden_size,
    innerSize: config.intermediate_size,
    numLayers: config.num_hidden_layers,
    numHeads: config.num_attention_heads,
    lookEvery: config.cross_attention_frequency,
    featureSize: config.encoder_hidden_size,
    queries,
    activation: config.hidden_act,
    epsilon: config.layer_norm_eps,
  };
}

export function qFormerSpec({ size, innerSize, numLayers, lookEvery, featureSize, queries }: QFormerConfig) {
  const drawn = { deviation: 0.02 };
  const attention = (at: string, memorySize: number) => {
    const inner = `${at}.attention`;
    const names = { query: `${inner}.query`, key: `${inner}.key`, value: `${inner}.value` };
    return multiHeadSpec({ ...names, output: `${at}.output.dense` }, { querySize: size, memorySize, ...drawn });
  };
  return {
    queries: tableSpec<tf.Rank.R3>('query_tokens', [1, queries, size]),
    before: layerNormSpec('qformer.layernorm', size),
    layers: Array.from({ length: numLayers }, (_, layer) => {
      const at = `qformer.encoder.layer.${layer}`;
      const looks = layer % lookEvery === 0;
      return {
        attention: attention(`${at}.attention`, size),
        attentionNorm: layerNormSpec(`${at}.attention.output.LayerNorm`, size),
        cross: looks ? attention(`${at}.crossattention`, featureSize) : undefined,
        crossNorm: looks ? layerNormSpec(`${at}.crossattention.output.LayerNorm`, size) : undefined,
        up: linearSpec(`${at}.intermediate_query.dense`, size, innerSize, drawn),
        down: linearSpec(`${at}.output_query.dense`, innerSize, size, drawn),
        feedForwardNorm: layerNormSpec(`${at}.output_query.LayerNorm`, size),
      };
    }),
  };
}

export type QFormerParams = ParamsOf<ReturnType<typeof qFormerSpec>>;

/**
 * A few learned questions look at a picture and at each other.
 *
 * @param features - [images, positions, featureSize]
 * @returns [images, queries, size]
 * @see Li et al. 2023, https://arxiv.org/abs/2301.12597, section 3.1
 */
export function qFormer(
  params: QFormerParams,
  config: QFormerConfig,
  features: tf.Tensor3D,
  drop?: Dropout,
): tf.Tensor3D {
  const { numHeads, epsilon } = config;
  const layer: TransformerLayerConfig = { numHeads, norm: 'post', epsilon, activate: activation(config.activation) };
  const asked = layerNorm(params.before, params.queries, epsilon);
  let x = dropout(tf.tile<tf.Tensor3D>(asked, [features.shape[0], 1, 1]), drop, 'queries');
  for (const [index, each] of params.layers.entries()) {
    const memory = each.cross && projectKeys(each.cross, features, numHeads);
    const within = drop && { ...drop, random: drop.random.fork(index) };
    x = layerOutput(each, x, layer, { memory, drop: within });
  }
  return x;
}
