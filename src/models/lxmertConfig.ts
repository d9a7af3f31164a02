import * as v from 'valibot';
import { expectLayers } from '../attention/expectLayers';
import { count, readConfig, whole } from '../core/schema';

export type LxmertConfig = {
  vocabSize: number;
  hiddenSize: number;
  innerSize: number;
  numHeads: number;
  /** Most words that positions were learned for. */
  maxPositions: number;
  tokenTypes: number;
  /** As transformers names it. */
  activation: string;
  /** Layers that read words alone, regions alone, and both. */
  layers: { words: number; regions: number; both: number };
  /** Of a region, and of its box. */
  featureSize: number;
  boxSize: number;
  /** Whether it was made to guess words, regions and whether both belong together, besides answers. */
  pretraining: boolean;
  /** How many answers there are to choose from; undefined for models that answer nothing. */
  answers: number | undefined;
  /** What is guessed of regions: how many kinds of objects and of attributes there are, and whether features are guessed. */
  guesses: { objects: number | undefined; attributes: number | undefined; features: boolean } | undefined;
  /** Which other losses count in pretraining: that of masked words, and that of whether text and picture belong together. */
  losses: { words: boolean; match: boolean };
  /** What losses of those guesses are multiplied by. */
  regionLossScale: number;
};

const flag = v.optional(v.boolean(), true);

const schema = v.object({
  architectures: v.nullish(
    v.tupleWithRest([v.picklist(['LxmertForPreTraining', 'LxmertForQuestionAnswering'])], v.string()),
  ),
  model_type: v.optional(v.literal('lxmert'), 'lxmert'),
  vocab_size: v.optional(whole, 30522),
  hidden_size: v.optional(whole, 768),
  num_attention_heads: v.optional(whole, 12),
  intermediate_size: v.optional(whole, 3072),
  hidden_act: v.optional(v.string(), 'gelu'),
  max_position_embeddings: v.optional(whole, 512),
  type_vocab_size: v.optional(whole, 2),
  l_layers: v.optional(count, 9),
  x_layers: v.optional(count, 5),
  r_layers: v.optional(count, 5),
  visual_feat_dim: v.optional(whole, 2048),
  visual_pos_dim: v.optional(whole, 4),
  visual_loss_normalizer: v.optional(v.number(), 6.67),
  num_qa_labels: v.optional(whole, 9500),
  num_object_labels: v.optional(whole, 1600),
  num_attr_labels: v.optional(whole, 400),
  task_qa: flag,
  task_mask_lm: flag,
  task_matched: flag,
  task_obj_predict: flag,
  visual_obj_loss: flag,
  visual_attr_loss: flag,
  visual_feat_loss: flag,
});

/**
 * Reads the `config.json` of transformers' LXMERT. As there, norms have an epsilon of 1e-12 and the head that guesses words has
 * the table of the embedding, whatever `layer_norm_eps` and `tie_word_embeddings` say.
 *
 * @throws DataError for what is no such configuration, or has settings that are not supported
 */
export function readLxmertConfig(json: unknown): LxmertConfig {
  const config = readConfig(schema, json, 'configuration of LXMERT');
  const pretraining = config.architectures?.[0] !== 'LxmertForQuestionAnswering';
  const read: LxmertConfig = {
    pretraining,
    vocabSize: config.vocab_size,
    hiddenSize: config.hidden_size,
    innerSize: config.intermediate_size,
    numHeads: config.num_attention_heads,
    maxPositions: config.max_position_embeddings,
    tokenTypes: config.type_vocab_size,
    activation: config.hidden_act,
    layers: { words: config.l_layers, regions: config.r_layers, both: config.x_layers },
    featureSize: config.visual_feat_dim,
    boxSize: config.visual_pos_dim,
    answers: config.task_qa || !pretraining ? config.num_qa_labels : undefined,
    guesses:
      pretraining && config.task_obj_predict
        ? {
            objects: config.visual_obj_loss ? config.num_object_labels : undefined,
            attributes: config.visual_attr_loss ? config.num_attr_labels : undefined,
            features: config.visual_feat_loss,
          }
        : undefined,
    losses: { words: config.task_mask_lm, match: config.task_matched },
    regionLossScale: config.visual_loss_normalizer,
  };
  expectLayers(read);
  return read;
}
