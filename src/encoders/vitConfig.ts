import * as v from 'valibot';
import { expectLayers } from '../attention/expectLayers';
import { activation } from '../core/activations';
import { readConfig, whole } from '../core/schema';
import type { Grid } from './patches';

export type ViTConfig = {
  type: 'vit';
  /** Height and width of the pictures that the positions were learned for, in pixels. */
  imageSize: Grid;
  /** Height and width of a patch in pixels. */
  patchSize: Grid;
  channels: number;
  hiddenSize: number;
  numLayers: number;
  numHeads: number;
  innerSize: number;
  /** As transformers names it. */
  activation: string;
  epsilon: number;
  /** Whether queries, keys and values have biases. */
  qkvBias: boolean;
  /** Absent: no pooler. */
  pooler?: { size: number; activation: string };
  /** Classes of a linear layer on the class token; absent: no classifier. */
  classes?: number;
};

/** Sides in pixels: one number for both, or two. */
export const sides = v.pipe(
  v.union([whole, v.tuple([whole, whole])]),
  v.transform((size): Grid => (typeof size === 'number' ? [size, size] : size)),
);

const pair = v.tuple([whole, whole]);

/** `ViTConfig` as our own checkpoints hold it. */
export const storedViTConfig = v.object({
  type: v.literal('vit'),
  imageSize: pair,
  patchSize: pair,
  channels: whole,
  hiddenSize: whole,
  numLayers: v.pipe(v.number(), v.integer(), v.minValue(0)),
  numHeads: whole,
  innerSize: whole,
  activation: v.string(),
  epsilon: v.number(),
  qkvBias: v.boolean(),
  pooler: v.exactOptional(v.object({ size: whole, activation: v.string() })),
  classes: v.exactOptional(whole),
});

const schema = v.object({
  model_type: v.optional(v.literal('vit'), 'vit'),
  architectures: v.optional(v.nullable(v.array(v.string()))),
  hidden_size: v.optional(whole, 768),
  num_hidden_layers: v.optional(whole, 12),
  num_attention_heads: v.optional(whole, 12),
  intermediate_size: v.optional(whole, 3072),
  hidden_act: v.optional(v.string(), 'gelu'),
  layer_norm_eps: v.optional(v.number(), 1e-12),
  image_size: v.optional(sides, 224),
  patch_size: v.optional(sides, 16),
  num_channels: v.optional(whole, 3),
  qkv_bias: v.optional(v.boolean(), true),
  pooler_output_size: v.optional(v.nullable(whole)),
  pooler_act: v.optional(v.string(), 'tanh'),
  id2label: v.optional(v.nullable(v.record(v.string(), v.string()))),
  num_labels: v.optional(whole),
});

/**
 * Reads the `config.json` of transformers' ViT. A classifier is part of it where `architectures` says so.
 *
 * @throws DataError for what is no such configuration
 */
export function readViTConfig(json: unknown): ViTConfig {
  const config = readConfig(schema, json, 'configuration of the ViT');
  const classifies = config.architectures?.includes('ViTForImageClassification') ?? false;
  const labels = config.id2label ? Object.keys(config.id2label).length : (config.num_labels ?? 2);
  const read: ViTConfig = {
    type: 'vit',
    imageSize: config.image_size,
    patchSize: config.patch_size,
    channels: config.num_channels,
    hiddenSize: config.hidden_size,
    numLayers: config.num_hidden_layers,
    numHeads: config.num_attention_heads,
    innerSize: config.intermediate_size,
    activation: config.hidden_act,
    epsilon: config.layer_norm_eps,
    qkvBias: config.qkv_bias,
    ...(classifies
      ? { classes: labels }
      : { pooler: { size: config.pooler_output_size ?? config.hidden_size, activation: config.pooler_act } }),
  };
  expectLayers(read);
  if (read.pooler) activation(read.pooler.activation, 'pooler_act');
  return read;
}
