import * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import { expectLayers } from '../attention/expectLayers';
import { activation } from '../core/activations';
import { embed } from '../core/embedding';
import { layerNorm } from '../core/layerNorm';
import { embeddingSpec, layerNormSpec, linearSpec } from '../core/layerSpecs';
import { Random } from '../core/random';
import { readConfig, whole } from '../core/schema';
import { loadParams, type ParamsOf, type WeightSource } from '../core/spec';
import type { TransformerParts } from './transformer';

export type GPT2Config = {
  vocabSize: number;
  hiddenSize: number;
  numLayers: number;
  numHeads: number;
  innerSize: number;
  /** Most words that positions were learned for. */
  maxPositions: number;
  /** As transformers names it. */
  activation: string;
  epsilon: number;
  /** Whether products of queries and keys are divided by the root of their size. */
  scaled: boolean;
  /** Whether they are also divided by the number of the layer, from 1. */
  scaledByLayer: boolean;
  /** Whether the output layer is the table of the embedding. */
  tied: boolean;
  /** Whether words look at a picture, whose features have `featureSize`. */
  cross: boolean;
  featureSize: number;
};

const schema = v.object({
  model_type: v.optional(v.literal('gpt2'), 'gpt2'),
  vocab_size: v.optional(whole, 50257),
  n_positions: v.optional(whole, 1024),
  n_embd: v.optional(whole, 768),
  n_layer: v.optional(whole, 12),
  n_head: v.optional(whole, 12),
  n_inner: v.optional(v.nullable(whole)),
  activation_function: v.optional(v.string(), 'gelu_new'),
  layer_norm_epsilon: v.optional(v.number(), 1e-5),
  scale_attn_weights: v.optional(v.boolean(), true),
  scale_attn_by_inverse_layer_idx: v.optional(v.boolean(), false),
  add_cross_attention: v.optional(v.boolean(), false),
  tie_word_embeddings: v.optional(v.boolean(), true),
});

/**
 * Reads the `config.json` of transformers' GPT-2.
 *
 * @throws DataError for what is no such configuration
 */
export function readGPT2Config(json: unknown): GPT2Config {
  const config = readConfig(schema, json, 'configuration of GPT-2');
  const read: GPT2Config = {
    vocabSize: config.vocab_size,
    hiddenSize: config.n_embd,
    numLayers: config.n_layer,
    numHeads: config.n_head,
    innerSize: config.n_inner ?? 4 * config.n_embd,
    maxPositions: config.n_positions,
    activation: config.activation_function,
    epsilon: config.layer_norm_epsilon,
    scaled: config.scale_attn_weights,
    scaledByLayer: config.scale_attn_by_inverse_layer_idx,
    tied: config.tie_word_embeddings,
    cross: config.add_cross_attention,
    featureSize: config.n_embd,
  };
  expectLayers(read, 'activation_function');
  return read;
}

/** Kernels of GPT-2 lie [in, out] in files. @param prefix - of all names in the file, such as `decoder.` */
export function gpt2Spec(config: GPT2Config, prefix = '') {
  const { vocabSize, hiddenSize, numLayers, innerSize, maxPositions, tied, cross, featureSize } = config;
  const drawn = { deviation: 0.02 };
  const kernel = { layout: 'same', ...drawn } as const;
  const output = { deviation: 0.02 / Math.sqrt(2 * numLayers), layout: 'same' } as const; // onto the residual path
  const head = `${prefix}lm_head`;
  return {
    words: embeddingSpec(`${prefix}transformer.wte`, vocabSize, hiddenSize, tied ? { aliases: [head] } : {}),
    places: embeddingSpec(`${prefix}transformer.wpe`, maxPositions, hiddenSize),
    layers: Array.from({ length: numLayers }, (_, layer) => {
      const at = `${prefix}transformer.h.${layer}`;
      return {
        attentionNorm: layerNormSpec(`${at}.ln_1`, hiddenSize),
        attention: {
          queryKeyValue: linearSpec(`${at}.attn.c_attn`, hiddenSize, 3 * hiddenSize, kernel),
          output: linearSpec(`${at}.attn.c_proj`, hiddenSize, hiddenSize, output),
        },
        crossNorm: cross ? layerNormSpec(`${at}.ln_cross_attn`, hiddenSize) : undefined,
        cross: cross
          ? {
              query: linearSpec(`${at}.crossattention.q_attn`, hiddenSize, hiddenSize, kernel),
              keyValue: linearSpec(`${at}.crossattention.c_attn`, featureSize, 2 * hiddenSize, kernel),
              output: linearSpec(`${at}.crossattention.c_proj`, hiddenSize, hiddenSize, output),
            }
          : undefined,
        feedForwardNorm: layerNormSpec(`${at}.ln_2`, hiddenSize),
        up: linearSpec(`${at}.mlp.c_fc`, hiddenSize, innerSize, kernel),
        down: linearSpec(`${at}.mlp.c_proj`, innerSize, hiddenSize, output),
      };
    }),
    norm: layerNormSpec(`${prefix}transformer.ln_f`, hiddenSize),
    head: tied ? undefined : embeddingSpec(head, vocabSize, hiddenSize),
  };
}

export type GPT2Params = ParamsOf<ReturnType<typeof gpt2Spec>>;

/** Masks that old files hold beside the weights. */
export const isGPT2Buffer = (name: string) => /\.(attn|crossattention)\.(bias|masked_bias)$/.test(name);

/**
 * The parts of GPT-2, with cross-attention where the configuration has it.
 *
 * @see Radford et al. 2019, Language models are unsupervised multitask learners, section 2.3
 */
export function gpt2Parts(params: GPT2Params, config: GPT2Config): TransformerParts {
  const { numHeads, epsilon, hiddenSize, scaled, scaledByLayer } = config;
  const activate = activation(config.activation, 'activation_function');
  return {
    params,
    layers: params.layers,
    layer: (index) => ({
      numHeads,
      norm: 'pre',
      epsilon,
      activate,
      scale: (scaled ? 1 / Math.sqrt(hiddenSize / numHeads) : 1) / (scaledByLayer ? index + 1 : 1),
    }),
    embed: (tokens, places) => tf.add(embed(params.words, tokens), embed(params.places, places)),
    finish: (x) => layerNorm(params.norm, x, epsilon),
    output: { table: params.head ?? params.words },
    maxPositions: config.maxPositions,
  };
}

/**
 * Weights of a file of transformers' GPT-2, with or without a language model's head.
 *
 * @throws DataError with everything in the file that is missing, unexpected or of another shape
 */
export function loadGPT2(config: GPT2Config, source: WeightSource): Promise<GPT2Params> {
  const rename = (name: string) => {
    if (isGPT2Buffer(name)) return undefined;
    return /^(transformer|lm_head)\./.test(name) ? name : `transformer.${name}`;
  };
  return loadParams(gpt2Spec(config), source, new Random(0), { rename });
}
