import * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import { expectLayers } from '../attention/expectLayers';
import { multiHeadSpec } from '../attention/multiHead';
import { activation } from '../core/activations';
import { dense } from '../core/dense';
import { embed } from '../core/embedding';
import { layerNorm } from '../core/layerNorm';
import { embeddingSpec, layerNormSpec, linearSpec } from '../core/layerSpecs';
import { readConfig, whole } from '../core/schema';
import type { ParameterSpec, ParamsOf } from '../core/spec';
import type { TransformerParts } from './transformer';

export type BertConfig = {
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
  /** Kinds of sentences, the first of which all words get; 0 for models without. */
  tokenTypes: number;
  /** Whether the output layer is the table of the embedding. */
  tied: boolean;
  /** Whether words look at a picture, whose features have `featureSize`. */
  cross: boolean;
  featureSize: number;
};

const schema = v.object({
  model_type: v.optional(v.literal('bert'), 'bert'),
  vocab_size: v.optional(whole, 30522),
  hidden_size: v.optional(whole, 768),
  num_hidden_layers: v.optional(whole, 12),
  num_attention_heads: v.optional(whole, 12),
  intermediate_size: v.optional(whole, 3072),
  hidden_act: v.optional(v.string(), 'gelu'),
  max_position_embeddings: v.optional(whole, 512),
  type_vocab_size: v.optional(whole, 2),
  layer_norm_eps: v.optional(v.number(), 1e-12),
  position_embedding_type: v.optional(v.literal('absolute'), 'absolute'),
  add_cross_attention: v.optional(v.boolean(), false),
  tie_word_embeddings: v.optional(v.boolean(), true),
});

/**
 * Reads the `config.json` of transformers' BERT.
 *
 * @throws DataError for what is no such configuration, or has settings that are not supported
 */
export function readBertConfig(json: unknown): BertConfig {
  const config = readConfig(schema, json, 'configuration of BERT');
  const read: BertConfig = {
    vocabSize: config.vocab_size,
    hiddenSize: config.hidden_size,
    numLayers: config.num_hidden_layers,
    numHeads: config.num_attention_heads,
    innerSize: config.intermediate_size,
    maxPositions: config.max_position_embeddings,
    activation: config.hidden_act,
    epsilon: config.layer_norm_eps,
    tokenTypes: config.type_vocab_size,
    tied: config.tie_word_embeddings,
    cross: config.add_cross_attention,
    featureSize: config.hidden_size,
  };
  expectLayers(read);
  return read;
}

const DEVIATION = { deviation: 0.02 };

/**
 * The layers of BERT under the names that its checkpoints give them.
 *
 * @param prefix - of all names, such as `decoder.bert.`
 * @param tables - other names of the embedding's table, such as that of a tied output layer
 */
export function bertSpec(config: BertConfig, prefix: string, tables: readonly string[] = []) {
  const { vocabSize, hiddenSize, numLayers, innerSize, maxPositions, tokenTypes, cross, featureSize } = config;
  const attention = (at: string, memorySize: number) =>
    multiHeadSpec(
      { query: `${at}.self.query`, key: `${at}.self.key`, value: `${at}.self.value`, output: `${at}.output.dense` },
      { querySize: hiddenSize, memorySize, ...DEVIATION },
    );
  return {
    words: embeddingSpec(`${prefix}embeddings.word_embeddings`, vocabSize, hiddenSize, { aliases: tables }),
    places: embeddingSpec(`${prefix}embeddings.position_embeddings`, maxPositions, hiddenSize),
    types:
      tokenTypes === 0 ? undefined : embeddingSpec(`${prefix}embeddings.token_type_embeddings`, tokenTypes, hiddenSize),
    norm: layerNormSpec(`${prefix}embeddings.LayerNorm`, hiddenSize),
    layers: Array.from({ length: numLayers }, (_, layer) => {
      const at = `${prefix}encoder.layer.${layer}`;
      return {
        attention: attention(`${at}.attention`, hiddenSize),
        attentionNorm: layerNormSpec(`${at}.attention.output.LayerNorm`, hiddenSize),
        cross: cross ? attention(`${at}.crossattention`, featureSize) : undefined,
        crossNorm: cross ? layerNormSpec(`${at}.crossattention.output.LayerNorm`, hiddenSize) : undefined,
        up: linearSpec(`${at}.intermediate.dense`, hiddenSize, innerSize, DEVIATION),
        down: linearSpec(`${at}.output.dense`, innerSize, hiddenSize, DEVIATION),
        feedForwardNorm: layerNormSpec(`${at}.output.LayerNorm`, hiddenSize),
      };
    }),
  };
}

export type BertParams = ParamsOf<ReturnType<typeof bertSpec>>;

/** The head that guesses words. @param prefix - such as `decoder.cls.predictions.` */
export function bertHeadSpec({ vocabSize, hiddenSize, tied }: BertConfig, prefix: string) {
  const bias: ParameterSpec<tf.Tensor1D> = {
    key: `${prefix}bias`,
    aliases: [`${prefix}decoder.bias`],
    // Where it is not tied, transformers 5 looks for it there alone, and version 4 in both places.
    ...(!tied && { copies: [`${prefix}decoder.bias`] }),
    shape: [vocabSize],
    layout: 'same',
    init: (shape) => tf.zeros(shape),
  };
  return {
    transform: linearSpec(`${prefix}transform.dense`, hiddenSize, hiddenSize, DEVIATION),
    norm: layerNormSpec(`${prefix}transform.LayerNorm`, hiddenSize),
    table: tied ? undefined : embeddingSpec(`${prefix}decoder`, vocabSize, hiddenSize),
    bias,
  };
}

export type BertHeadParams = ParamsOf<ReturnType<typeof bertHeadSpec>>;

/** BERT with the head that guesses words: a decoder where words see only those before them. */
export function bertDecoderSpec(config: BertConfig, prefix = '') {
  const head = `${prefix}cls.predictions.`;
  return {
    bert: bertSpec(config, `${prefix}bert.`, config.tied ? [`${head}decoder.weight`] : []),
    head: bertHeadSpec(config, head),
  };
}

export type BertDecoderParams = ParamsOf<ReturnType<typeof bertDecoderSpec>>;

/** Numbers of places that old files hold beside the weights. */
export const isBertBuffer = (name: string) => name.endsWith('embeddings.position_ids');

/**
 * The layers and the embedding of BERT.
 *
 * @see Devlin et al. 2019, https://arxiv.org/abs/1810.04805
 */
export function bertLayers(
  params: BertParams,
  config: BertConfig,
): Pick<TransformerParts, 'layers' | 'layer' | 'embed' | 'maxPositions'> {
  const { numHeads, epsilon } = config;
  const activate = activation(config.activation);
  return {
    maxPositions: config.maxPositions,
    layers: params.layers,
    layer: () => ({ numHeads, norm: 'post', epsilon, activate }),
    embed: (tokens, places) => {
      const words = embed(params.words, tokens);
      const kind = params.types && tf.slice(params.types, [0, 0], [1, config.hiddenSize]);
      const sum = tf.add<tf.Tensor3D>(kind ? tf.add(words, kind) : words, embed(params.places, places));
      return layerNorm(params.norm, sum, epsilon);
    },
  };
}

/** The parts of BERT as a decoder, with cross-attention where the configuration has it. */
export function bertDecoderParts(params: BertDecoderParams, config: BertConfig): TransformerParts {
  const { bert, head } = params;
  const activate = activation(config.activation);
  return {
    ...bertLayers(bert, config),
    params,
    transform: (x) => layerNorm(head.norm, activate(dense(head.transform, x)), config.epsilon),
    output: { table: head.table ?? bert.words, bias: head.bias },
  };
}
