import * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import { multiHeadSpec } from '../attention/multiHead';
import { activation } from '../core/activations';
import { embed } from '../core/embedding';
import { DataError } from '../core/errors';
import { layerNorm } from '../core/layerNorm';
import { embeddingSpec, layerNormSpec, linearSpec } from '../core/layerSpecs';
import { readConfig, whole } from '../core/schema';
import type { ParamsOf } from '../core/spec';
import type { PrefixParts } from './prefixDecoder';

export type OptConfig = {
  vocabSize: number;
  hiddenSize: number;
  numLayers: number;
  numHeads: number;
  innerSize: number;
  /** Most tokens that positions were learned for. */
  maxPositions: number;
  /** As transformers names it. */
  activation: string;
  norm: 'pre' | 'post';
  /** Whether a norm follows the last layer. */
  lastNorm: boolean;
  /** Whether linear layers have biases. */
  bias: boolean;
  /** Whether the output layer is the table of the embedding. */
  tied: boolean;
};

const schema = v.object({
  model_type: v.optional(v.literal('opt'), 'opt'),
  vocab_size: v.optional(whole, 50272),
  hidden_size: v.optional(whole, 768),
  num_hidden_layers: v.optional(whole, 12),
  num_attention_heads: v.optional(whole, 12),
  ffn_dim: v.optional(whole, 3072),
  max_position_embeddings: v.optional(whole, 2048),
  word_embed_proj_dim: v.nullish(whole),
  activation_function: v.optional(v.string(), 'relu'),
  do_layer_norm_before: v.optional(v.boolean(), true),
  _remove_final_layer_norm: v.optional(v.boolean(), false),
  enable_bias: v.optional(v.boolean(), true),
  layer_norm_elementwise_affine: v.optional(v.literal(true), true),
  tie_word_embeddings: v.optional(v.boolean(), true),
});

/**
 * Reads the `config.json` of transformers' OPT.
 *
 * @throws DataError for settings that are not supported
 */
export function readOptConfig(json: unknown): OptConfig {
  const config = readConfig(schema, json, 'configuration of OPT');
  const { hidden_size, word_embed_proj_dim, do_layer_norm_before: before } = config;
  if ((word_embed_proj_dim ?? hidden_size) !== hidden_size)
    throw new DataError(
      `word_embed_proj_dim is ${word_embed_proj_dim} but hidden_size ${hidden_size}: an OPT whose embedding has a size of its own is not supported.`,
    );
  return {
    vocabSize: config.vocab_size,
    hiddenSize: hidden_size,
    numLayers: config.num_hidden_layers,
    numHeads: config.num_attention_heads,
    innerSize: config.ffn_dim,
    maxPositions: config.max_position_embeddings,
    activation: config.activation_function,
    norm: before ? 'pre' : 'post',
    lastNorm: before && !config._remove_final_layer_norm,
    bias: config.enable_bias,
    tied: config.tie_word_embeddings,
  };
}

/** The first rows of the table of positions are not used, but by padding. */
const OFFSET = 2;
const EPSILON = 1e-5;

/** @param prefix - of all names, such as `language_model.` */
export function optSpec(config: OptConfig, prefix: string) {
  const { vocabSize, hiddenSize, numLayers, innerSize, maxPositions, lastNorm, bias, tied } = config;
  const drawn = { deviation: 0.02 };
  const decoder = `${prefix}model.decoder`;
  const head = `${prefix}lm_head`;
  return {
    words: embeddingSpec(`${decoder}.embed_tokens`, vocabSize, hiddenSize, {
      ...drawn,
      ...(tied && { aliases: [head] }),
    }),
    places: embeddingSpec(`${decoder}.embed_positions`, maxPositions + OFFSET, hiddenSize, drawn),
    layers: Array.from({ length: numLayers }, (_, layer) => {
      const at = `${decoder}.layers.${layer}`;
      const own = `${at}.self_attn`;
      const names = { query: `${own}.q_proj`, key: `${own}.k_proj`, value: `${own}.v_proj`, output: `${own}.out_proj` };
      const attention = multiHeadSpec(names, { querySize: hiddenSize, bias, ...drawn });
      return {
        attention: { ...attention, output: linearSpec(names.output, hiddenSize, hiddenSize, { bias, ...drawn }) },
        attentionNorm: layerNormSpec(`${at}.self_attn_layer_norm`, hiddenSize),
        up: linearSpec(`${at}.fc1`, hiddenSize, innerSize, { bias, ...drawn }),
        down: linearSpec(`${at}.fc2`, innerSize, hiddenSize, { bias, ...drawn }),
        feedForwardNorm: layerNormSpec(`${at}.final_layer_norm`, hiddenSize),
      };
    }),
    last: lastNorm ? layerNormSpec(`${decoder}.final_layer_norm`, hiddenSize) : undefined,
    table: tied ? undefined : embeddingSpec(head, vocabSize, hiddenSize, drawn),
  };
}

export type OptParams = ParamsOf<ReturnType<typeof optSpec>>;

/**
 * The parts of OPT, which reads a picture's tokens [images, tokens, size] as its first words.
 *
 * @see Zhang et al. 2022, https://arxiv.org/abs/2205.01068; as transformers has it
 */
export function optParts(params: OptParams, config: OptConfig): Omit<PrefixParts, 'params'> {
  const { numHeads, norm, hiddenSize } = config;
  const activate = activation(config.activation, 'activation_function');
  const { last } = params;
  return {
    layers: params.layers,
    layer: () => ({ numHeads, norm, epsilon: EPSILON, activate }),
    prefix: (tokens) => tf.add(tokens, tf.slice(params.places, [OFFSET, 0], [tokens.shape[1], hiddenSize])),
    maxPositions: config.maxPositions,
    causalPrefix: true,
    prefixHasPlaces: true,
    paddingPlace: -1,
    embed: (tokens, places) =>
      tf.add(embed(params.words, tokens), embed(params.places, tf.add(places, tf.scalar(OFFSET, 'int32')))),
    ...(last && { finish: (x: tf.Tensor3D) => layerNorm(last, x, EPSILON) }),
    output: { table: params.table ?? params.words },
  };
}
