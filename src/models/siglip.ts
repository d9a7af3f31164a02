import * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import { crossAttention, projectKeys } from '../attention/multiHead';
import { activation } from '../core/activations';
import { type DenseParams, dense } from '../core/dense';
import { layerNorm } from '../core/layerNorm';
import { type LinearSpec, layerNormSpec, linearSpec, tableSpec } from '../core/layerSpecs';
import { Random } from '../core/random';
import { readConfig, whole } from '../core/schema';
import { createParams, loadParams, type ParamsOf, stateDict, type WeightSource } from '../core/spec';
import { disposeTree } from '../core/tree';
import {
  isPositionIds,
  type VisionTowerConfig,
  visionNorm,
  visionTower,
  visionTowerSpec,
} from '../encoders/visionTower';
import { readVisionConfig } from '../encoders/visionTowerConfig';
import { unitLength } from './clip';
import { type TextTowerConfig, textTower, textTowerConfig, textTowerSettings, textTowerSpec } from './clipText';

export type SiglipConfig = {
  vision: VisionTowerConfig;
  text: TextTowerConfig;
  projectionSize: number;
  /** Whether pictures are pooled; without it there are no logits. */
  pooled: boolean;
};

export type SiglipParams = ParamsOf<ReturnType<typeof siglipSpec>>;

export function siglipSpec({ vision, text, projectionSize, pooled }: SiglipConfig) {
  return {
    vision: visionTowerSpec(vision, 'vision_model'),
    pooler: pooled ? poolerSpec('vision_model.head', vision) : undefined,
    text: textTowerSpec(text),
    textHead: linearSpec('text_model.head', text.size, projectionSize),
    logitScale: { ...tableSpec<tf.Rank.R1>('logit_scale', [1]), init: () => tf.tensor1d([Math.log(10)]) },
    logitBias: { ...tableSpec<tf.Rank.R1>('logit_bias', [1]), init: () => tf.tensor1d([-10]) },
  };
}

function poolerSpec(key: string, { size, innerSize }: VisionTowerConfig) {
  const fused = linearSpec(`${key}.attention.in_proj`, size, 3 * size);
  const inTorch = (end: string) => `${key}.attention.in_proj_${end}`; // torch.nn.MultiheadAttention has no dot here
  const queryKeyValue: LinearSpec = {
    weight: { ...fused.weight, key: inTorch('weight') },
    bias: { ...fused.bias!, key: inTorch('bias') },
  };
  return {
    probe: tableSpec<tf.Rank.R3>(`${key}.probe`, [1, 1, size]),
    attention: {
      queryKeyValue,
      output: linearSpec(`${key}.attention.out_proj`, size, size),
    },
    norm: layerNormSpec(`${key}.layernorm`, size),
    up: linearSpec(`${key}.mlp.fc1`, size, innerSize),
    down: linearSpec(`${key}.mlp.fc2`, innerSize, size),
  };
}

const schema = v.object({
  text_config: v.optional(
    v.object({
      ...textTowerSettings({
        size: 768,
        innerSize: 3072,
        numHeads: 12,
        vocabSize: 32000,
        maxLength: 64,
        activation: 'gelu_pytorch_tanh',
        epsilon: 1e-6,
      }),
      projection_size: v.nullish(whole),
    }),
    {},
  ),
  vision_config: v.optional(v.looseObject({ vision_use_head: v.optional(v.boolean(), true) }), {}),
});

/**
 * Reads the `config.json` of transformers' `SiglipModel`.
 *
 * @throws DataError for settings that are not supported
 */
export function readSiglipConfig(json: unknown): SiglipConfig {
  const { text_config: text, vision_config } = readConfig(schema, json, 'configuration of SigLIP');
  return {
    vision: readVisionConfig('siglip', vision_config),
    text: textTowerConfig(text, { causal: false }),
    projectionSize: text.projection_size ?? text.hidden_size,
    pooled: vision_config.vision_use_head,
  };
}

/**
 * SigLIP: as CLIP, with a learned query that pools the patches, and every pair of a picture and a text judged by itself.
 *
 * @see Zhai et al. 2023, https://arxiv.org/abs/2303.15343
 */
export class Siglip {
  /** @param params - by default drawn from `random`; they belong to the model from here on */
  constructor(
    readonly config: SiglipConfig,
    random: Random,
    readonly params: SiglipParams = createParams(siglipSpec(config), random),
  ) {}

  /** @throws DataError with everything in the file that is missing, unexpected or of another shape */
  static async load(config: SiglipConfig, source: WeightSource, random = new Random(0)): Promise<Siglip> {
    const rename = (name: string) => (isPositionIds(name) ? undefined : name);
    return new Siglip(config, random, await loadParams(siglipSpec(config), source, random, { rename }));
  }

  /**
   * @param pixels - [pictures, height, width, 3]
   * @returns features [pictures, patches, size] after the last norm, pooled [pictures, size]
   */
  see(pixels: tf.Tensor4D): { hiddenStates: tf.Tensor3D[]; features: tf.Tensor3D; pooled?: tf.Tensor2D } {
    const { params, config } = this;
    const hiddenStates = visionTower(params.vision, config.vision, pixels);
    const features = visionNorm(params.vision, config.vision, hiddenStates.at(-1)!);
    return { hiddenStates, features, ...(params.pooler && { pooled: pool(params.pooler, config.vision, features) }) };
  }

  /**
   * @param ids - [texts, time] of int32, padded to the full length as in training: padding is read like words
   * @returns features [texts, time, size], pooled [texts, projectionSize]
   */
  read(ids: tf.Tensor2D): { hiddenStates: tf.Tensor3D[]; features: tf.Tensor3D; pooled: tf.Tensor2D } {
    const { hiddenStates, last } = textTower(this.params.text, this.config.text, ids);
    const [texts, time] = ids.shape;
    const end = tf.reshape<tf.Rank.R2>(tf.slice(last, [0, time - 1, 0], [texts, 1, -1]), [texts, -1]);
    return { hiddenStates, features: last, pooled: dense(this.params.textHead, end) };
  }

  /** Logits [texts, pictures] that they belong together, of their pooled vectors. */
  logits(texts: tf.Tensor2D, pictures: tf.Tensor2D): tf.Tensor2D {
    const { logitScale, logitBias } = this.params;
    const cosines = tf.matMul(unitLength(texts), unitLength(pictures), false, true);
    return tf.add<tf.Tensor2D>(tf.mul(cosines, tf.exp(logitScale)), logitBias);
  }

  /** The parameters as PyTorch has them; the tensors belong to the caller. */
  stateDict(): Generator<[key: string, value: tf.Tensor]> {
    return stateDict(siglipSpec(this.config), this.params);
  }

  dispose(): void {
    disposeTree(this.params);
  }
}

/** A learned query looks at all patches. features [pictures, patches, size] -> [pictures, size] */
function pool(
  { probe, attention, norm, up, down }: NonNullable<SiglipParams['pooler']>,
  { numHeads, epsilon, size, activation: name }: VisionTowerConfig,
  features: tf.Tensor3D,
): tf.Tensor2D {
  const pictures = features.shape[0];
  const [query, key, value] = threeLayers(attention.queryKeyValue);
  const memory = projectKeys({ key: key!, value: value! }, features, numHeads);
  const asking = tf.tile(probe, [pictures, 1, 1]);
  const { output } = crossAttention({ query: query!, output: attention.output }, asking, memory);
  const inner = dense(down, activation(name)(dense(up, layerNorm(norm, output, epsilon))));
  return tf.reshape(tf.add(output, inner), [pictures, size]);
}

function threeLayers({ weight, bias }: DenseParams): DenseParams[] {
  const biases = bias && tf.split<tf.Tensor1D>(bias, 3);
  return tf.split<tf.Tensor2D>(weight, 3, 1).map((part, index) => ({ weight: part, bias: biases?.[index] }));
}

/** How far logits [pairs, pairs] are from 'yes' for every pair and 'no' for all else (algorithm 1 of the paper). */
export function siglipLoss(logits: tf.Tensor2D): tf.Scalar {
  const pairs = logits.shape[0];
  const signs = tf.sub(tf.mul(tf.eye(pairs), 2), 1);
  return tf.mul<tf.Scalar>(tf.sum(tf.softplus(tf.neg(tf.mul(signs, logits)))), 1 / pairs);
}
