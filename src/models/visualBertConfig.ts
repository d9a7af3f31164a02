import * as v from 'valibot';
import { expectLayers } from '../attention/expectLayers';
import { count, readConfig, whole } from '../core/schema';
import type { BertLayerSizes } from '../decoders/bertParts';

export type VisualBertConfig = BertLayerSizes & {
  vocabSize: number;
  numLayers: number;
  numHeads: number;
  /** Most words that positions were learned for; regions need none. */
  maxPositions: number;
  tokenTypes: number;
  /** Of a region. */
  featureSize: number;
  /** As transformers names it. */
  activation: string;
  epsilon: number;
  /** Whether the output layer is the table of the embedding. */
  tied: boolean;
  /** The token whose embedding is not learned; undefined where there is none. */
  padId: number | undefined;
  head: VisualBertHead;
};

/**
 * What the model was made for: to guess masked words and whether text and picture belong together; or to tell classes by the
 * last word before the end, as for answers of VQA, or by what is pooled, as for NLVR2 and, with one class per choice, VCR.
 */
export type VisualBertHead = { kind: 'pretraining' } | { kind: 'lastWord' | 'pooled'; classes: number };

/** Of the classes of transformers. */
const HEADS = [
  'VisualBertForPreTraining',
  'VisualBertForQuestionAnswering',
  'VisualBertForVisualReasoning',
  'VisualBertForMultipleChoice',
] as const;

const schema = v.object({
  model_type: v.optional(v.literal('visual_bert'), 'visual_bert'),
  vocab_size: v.optional(whole, 30522),
  hidden_size: v.optional(whole, 768),
  visual_embedding_dim: v.optional(whole, 512),
  num_hidden_layers: v.optional(whole, 12),
  num_attention_heads: v.optional(whole, 12),
  intermediate_size: v.optional(whole, 3072),
  hidden_act: v.optional(v.string(), 'gelu'),
  max_position_embeddings: v.optional(whole, 512),
  type_vocab_size: v.optional(whole, 2),
  layer_norm_eps: v.optional(v.number(), 1e-12),
  tie_word_embeddings: v.optional(v.boolean(), true),
  pad_token_id: v.optional(v.nullable(count), 1),
  architectures: v.nullish(v.tupleWithRest([v.picklist(HEADS)], v.string())),
  id2label: v.optional(v.record(v.string(), v.string()), { 0: 'LABEL_0', 1: 'LABEL_1' }),
  bypass_transformer: v.optional(v.literal(false, 'true is not supported, nor does it run in transformers'), false),
});

/**
 * Reads the `config.json` of transformers' VisualBERT.
 *
 * @throws DataError for what is no such configuration, or has settings that are not supported
 */
export function readVisualBertConfig(json: unknown): VisualBertConfig {
  const config = readConfig(schema, json, 'configuration of VisualBERT');
  const read: VisualBertConfig = {
    vocabSize: config.vocab_size,
    hiddenSize: config.hidden_size,
    innerSize: config.intermediate_size,
    numLayers: config.num_hidden_layers,
    numHeads: config.num_attention_heads,
    maxPositions: config.max_position_embeddings,
    tokenTypes: config.type_vocab_size,
    featureSize: config.visual_embedding_dim,
    activation: config.hidden_act,
    epsilon: config.layer_norm_eps,
    tied: config.tie_word_embeddings,
    padId: config.pad_token_id ?? undefined,
    head: headOf(config.architectures?.[0], Object.keys(config.id2label).length),
  };
  expectLayers(read);
  return read;
}

function headOf(architecture: (typeof HEADS)[number] | undefined, classes: number): VisualBertHead {
  if (architecture === 'VisualBertForQuestionAnswering') return { kind: 'lastWord', classes };
  if (architecture === 'VisualBertForVisualReasoning') return { kind: 'pooled', classes };
  if (architecture === 'VisualBertForMultipleChoice') return { kind: 'pooled', classes: 1 };
  return { kind: 'pretraining' };
}
