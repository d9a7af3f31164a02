import * as v from 'valibot';
import { expectLayers } from '../attention/expectLayers';
import { activation } from '../core/activations';
import { layerNorm } from '../core/layerNorm';
import { readConfig, whole } from '../core/schema';
import type { ParamsOf } from '../core/spec';
import { bertEmbeddingSpec, bertEmbeddings, bertHeadSpec, bertLayerSpec, bertTransform } from './bertParts';
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

/**
 * The layers of BERT under the names that its checkpoints give them.
 *
 * @param prefix - of all names, such as `decoder.bert.`
 * @param tables - other names of the embedding's table, such as that of a tied output layer
 */
export function bertSpec(config: BertConfig, prefix: string, tables: readonly string[] = []) {
  const { numLayers, cross, featureSize } = config;
  return {
    ...bertEmbeddingSpec(config, `${prefix}embeddings.`, tables),
    layers: Array.from({ length: numLayers }, (_, layer) =>
      bertLayerSpec(`${prefix}encoder.layer.${layer}`, config, cross ? featureSize : undefined),
    ),
  };
}

export type BertParams = ParamsOf<ReturnType<typeof bertSpec>>;

/** BERT with the head that guesses words: a decoder where words see only those before them. */
export function bertDecoderSpec(config: BertConfig, prefix = '') {
  const head = `${prefix}cls.predictions.`;
  return {
    bert: bertSpec(config, `${prefix}bert.`, config.tied ? [`${head}decoder`] : []),
    head: bertHeadSpec(config, head),
  };
}

export type BertDecoderParams = ParamsOf<ReturnType<typeof bertDecoderSpec>>;

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
    embed: (tokens, places) => layerNorm(params.norm, bertEmbeddings(params, tokens, places), epsilon),
  };
}

/** The parts of BERT as a decoder, with cross-attention where the configuration has it. */
export function bertDecoderParts(params: BertDecoderParams, config: BertConfig): TransformerParts {
  const { bert, head } = params;
  return {
    ...bertLayers(bert, config),
    params,
    transform: (x) => bertTransform(head, x, config),
    output: { table: head.table ?? bert.words, bias: head.bias },
  };
}
