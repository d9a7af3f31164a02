import * as v from 'valibot';
import { expectLayers } from '../attention/expectLayers';
import { readConfig, whole } from '../core/schema';
import type { BertConfig } from '../decoders/bert';
import type { VisionTowerConfig } from '../encoders/visionTower';
import { sides } from '../encoders/vitConfig';

export type BlipConfig = {
  vision: VisionTowerConfig;
  text: BertConfig;
  /** What captions begin and end with; `sep_token_id` ends them. */
  startId: number;
  endId: number;
  padId: number;
  /** Of the loss of captions. */
  labelSmoothing: number;
  /** Size of the space that pictures and texts are compared in. */
  projectionSize: number;
};

const id = v.pipe(v.number(), v.integer(), v.minValue(0));

const visionSchema = v.object({
  hidden_size: v.optional(whole, 768),
  intermediate_size: v.optional(whole, 3072),
  num_hidden_layers: v.optional(whole, 12),
  num_attention_heads: v.optional(whole, 12),
  num_channels: v.optional(v.literal(3), 3),
  image_size: v.optional(sides, 384),
  patch_size: v.optional(sides, 16),
  hidden_act: v.optional(v.string(), 'gelu'),
  layer_norm_eps: v.optional(v.number(), 1e-5),
});

const textSchema = v.object({
  vocab_size: v.optional(whole, 30524),
  hidden_size: v.optional(whole, 768),
  intermediate_size: v.optional(whole, 3072),
  num_hidden_layers: v.optional(whole, 12),
  num_attention_heads: v.optional(whole, 8),
  max_position_embeddings: v.optional(whole, 512),
  hidden_act: v.optional(v.string(), 'gelu'),
  layer_norm_eps: v.optional(v.number(), 1e-12),
  is_decoder: v.optional(v.literal(true), true),
  tie_word_embeddings: v.optional(v.boolean(), true),
  bos_token_id: v.optional(id, 30522),
  sep_token_id: v.optional(id, 102),
  pad_token_id: v.optional(id, 0),
  label_smoothing: v.optional(v.number(), 0),
});

const schema = v.object({
  model_type: v.optional(v.literal('blip'), 'blip'),
  vision_config: v.optional(v.nullable(visionSchema)),
  text_config: v.optional(v.nullable(textSchema)),
  image_text_hidden_size: v.optional(whole, 256),
});

/**
 * Reads the `config.json` of transformers' BLIP.
 *
 * @throws DataError for what is no such configuration, or has settings that are not supported
 */
export function readBlipConfig(json: unknown): BlipConfig {
  const config = readConfig(schema, json, 'configuration of BLIP');
  const vision = config.vision_config ?? v.parse(visionSchema, {});
  const text = config.text_config ?? v.parse(textSchema, {});
  const read: BlipConfig = {
    vision: {
      kind: 'blip',
      size: vision.hidden_size,
      innerSize: vision.intermediate_size,
      numLayers: vision.num_hidden_layers,
      numHeads: vision.num_attention_heads,
      imageSize: vision.image_size,
      patchSize: vision.patch_size,
      activation: vision.hidden_act,
      epsilon: vision.layer_norm_eps,
    },
    text: {
      vocabSize: text.vocab_size,
      hiddenSize: text.hidden_size,
      numLayers: text.num_hidden_layers,
      numHeads: text.num_attention_heads,
      innerSize: text.intermediate_size,
      maxPositions: text.max_position_embeddings,
      activation: text.hidden_act,
      epsilon: text.layer_norm_eps,
      tokenTypes: 0,
      tied: text.tie_word_embeddings,
      cross: true,
      featureSize: vision.hidden_size,
    },
    startId: text.bos_token_id,
    endId: text.sep_token_id,
    padId: text.pad_token_id,
    labelSmoothing: text.label_smoothing,
    projectionSize: config.image_text_hidden_size,
  };
  expectLayers(read.text);
  expectLayers({ ...read.vision, hiddenSize: read.vision.size });
  return read;
}
