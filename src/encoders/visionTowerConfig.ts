import * as v from 'valibot';
import { activation } from '../core/activations';
import { readConfig, whole } from '../core/schema';
import type { VisionTowerConfig } from './visionTower';

const side = v.pipe(
  v.union([whole, v.tuple([whole, whole])]),
  v.transform((size): readonly [number, number] => (typeof size === 'number' ? [size, size] : size)),
);

/** What transformers takes for what a configuration leaves out. */
const DEFAULTS = {
  clip: { size: 768, innerSize: 3072, layers: 12, heads: 12, patch: 32, activation: 'quick_gelu', epsilon: 1e-5 },
  git: { size: 768, innerSize: 3072, layers: 12, heads: 12, patch: 16, activation: 'quick_gelu', epsilon: 1e-5 },
  siglip: {
    size: 768,
    innerSize: 3072,
    layers: 12,
    heads: 12,
    patch: 16,
    activation: 'gelu_pytorch_tanh',
    epsilon: 1e-6,
  },
  blip2: { size: 1408, innerSize: 6144, layers: 39, heads: 16, patch: 14, activation: 'gelu', epsilon: 1e-6 },
} as const;

const KINDS = { clip: 'clip', git: 'clip', siglip: 'siglip', blip2: 'blip' } as const;

/**
 * Reads the `vision_config` of a `config.json` of transformers.
 *
 * @throws DataError for settings that are not supported
 */
export function readVisionConfig(model: keyof typeof DEFAULTS, json: unknown): VisionTowerConfig {
  const given = DEFAULTS[model];
  const schema = v.object({
    hidden_size: v.optional(whole, given.size),
    intermediate_size: v.optional(whole, given.innerSize),
    num_hidden_layers: v.optional(whole, given.layers),
    num_attention_heads: v.optional(whole, given.heads),
    num_channels: v.optional(v.literal(3), 3),
    image_size: v.optional(side, 224),
    patch_size: v.optional(side, given.patch),
    hidden_act: v.optional(v.string(), given.activation),
    layer_norm_eps: v.optional(v.number(), given.epsilon),
    qkv_bias: v.optional(v.boolean(), true),
  });
  const read = readConfig(schema, json ?? {}, 'vision_config');
  activation(read.hidden_act); // which throws for one that is not known
  return {
    size: read.hidden_size,
    innerSize: read.intermediate_size,
    numLayers: read.num_hidden_layers,
    numHeads: read.num_attention_heads,
    imageSize: read.image_size,
    patchSize: read.patch_size,
    activation: read.hidden_act,
    epsilon: read.layer_norm_eps,
    kind: KINDS[model],
    ...(model === 'blip2' && { attentionBias: read.qkv_bias }),
  };
}

const pair = v.tuple([whole, whole]);

/** `VisionEncoderConfig` as our own checkpoints hold it. */
export const storedVisionEncoderConfig = v.object({
  type: v.literal('vision-tower'),
  kind: v.picklist(['clip', 'siglip', 'blip']),
  size: whole,
  innerSize: whole,
  numLayers: whole,
  numHeads: whole,
  imageSize: pair,
  patchSize: pair,
  activation: v.string(),
  epsilon: v.number(),
  attentionBias: v.exactOptional(v.boolean()),
  inputSize: v.exactOptional(pair),
  normed: v.exactOptional(v.boolean()),
});
