import type * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import { dense } from '../core/dense';
import type { Dropout } from '../core/dropout';
import { linearSpec } from '../core/layerSpecs';
import { Random } from '../core/random';
import { readConfig, whole } from '../core/schema';
import { createParams, loadParams, type ParamsOf, stateDict, type WeightSource } from '../core/spec';
import { disposeTree } from '../core/tree';
import type { Preprocessing } from '../encoders/types';
import { VisionEncoder } from '../encoders/visionEncoder';
import { isPositionIds, type VisionTowerConfig, visionTowerSpec } from '../encoders/visionTower';
import { readVisionConfig } from '../encoders/visionTowerConfig';
import { type OptConfig, optParts, optSpec, readOptConfig } from './opt';
import { PrefixDecoder } from './prefixDecoder';
import { type QFormerConfig, qFormer, qFormerSpec, readQFormerConfig } from './qformer';

export type Blip2Config = {
  vision: VisionTowerConfig;
  qformer: QFormerConfig;
  text: OptConfig;
  /** What stands for the tokens of the picture in sequences of ids; undefined in older configurations. */
  imageId: number | undefined;
};

const part = v.optional(v.record(v.string(), v.unknown()), {});
const schema = v.object({
  model_type: v.optional(v.literal('blip-2'), 'blip-2'),
  vision_config: part,
  qformer_config: part,
  text_config: v.optional(v.looseObject({ model_type: v.optional(v.literal('opt'), 'opt') }), {}),
  num_query_tokens: v.optional(whole, 32),
  image_token_index: v.nullish(v.number()),
  use_decoder_only_language_model: v.optional(v.literal(true), true),
});

/**
 * Reads the `config.json` of transformers' `Blip2ForConditionalGeneration` with OPT.
 *
 * @throws DataError for settings that are not supported, such as another language model
 */
export function readBlip2Config(json: unknown): Blip2Config {
  const config = readConfig(schema, json, 'configuration of BLIP-2');
  return {
    vision: readVisionConfig('blip2', config.vision_config),
    qformer: readQFormerConfig(config.qformer_config, config.num_query_tokens),
    text: readOptConfig(config.text_config),
    imageId: config.image_token_index ?? undefined,
  };
}

export function blip2Spec({ vision, qformer, text }: Blip2Config) {
  return {
    vision: visionTowerSpec(vision, 'vision_model'),
    qformer: qFormerSpec(qformer),
    projection: linearSpec('language_projection', qformer.size, text.hiddenSize, { deviation: 0.02 }),
    text: optSpec(text, 'language_model.'),
  };
}

export type Blip2Params = ParamsOf<ReturnType<typeof blip2Spec>>;

/**
 * BLIP-2 with OPT: a few questions look at the picture, and what they find stands before the words of a language model.
 *
 * @see Li et al. 2023, https://arxiv.org/abs/2301.12597; as transformers has it
 */
export class Blip2 {
  readonly encoder: VisionEncoder;
  readonly decoder: PrefixDecoder;

  /** @param params - by default drawn from `random`; they belong to the model from here on */
  constructor(
    readonly config: Blip2Config,
    random: Random,
    readonly params: Blip2Params = createParams(blip2Spec(config), random),
    preprocessing?: Preprocessing,
  ) {
    const tower = { ...config.vision, type: 'vision-tower' as const };
    this.encoder = new VisionEncoder(tower, random, params.vision, preprocessing);
    const parts = optParts(params.text, config.text);
    const { vision: _, ...own } = params; // that is the encoder's
    this.decoder = new PrefixDecoder({
      ...parts,
      params: own,
      prefix: (features, drop) => parts.prefix(this.project(this.ask(features, drop))),
    });
  }

  /** @throws DataError with everything in the file that is missing, unexpected or of another shape */
  static async load(config: Blip2Config, source: WeightSource, preprocessing?: Preprocessing): Promise<Blip2> {
    const random = new Random(0);
    const rename = (name: string) => (isPositionIds(name) ? undefined : name);
    return new Blip2(config, random, await loadParams(blip2Spec(config), source, random, { rename }), preprocessing);
  }

  /** What the learned questions find in features, [pictures, queries, size of the Q-Former]. */
  ask(features: tf.Tensor3D, drop?: Dropout): tf.Tensor3D {
    return qFormer(this.params.qformer, this.config.qformer, features, drop);
  }

  /** That as words of the language model, [pictures, queries, hiddenSize]. */
  project(found: tf.Tensor3D): tf.Tensor3D {
    return dense(this.params.projection, found);
  }

  /** A prompt as transformers has it: tokens that stand for the picture, then `words`, the start token among them. */
  promptOf(words: readonly number[]): number[] {
    const { imageId, qformer } = this.config;
    return [...(imageId === undefined ? [] : Array<number>(qformer.queries).fill(imageId)), ...words];
  }

  /** The parameters as PyTorch has them; the tensors belong to the caller. */
  stateDict(): Generator<[key: string, value: tf.Tensor]> {
    return stateDict(blip2Spec(this.config), this.params);
  }

  dispose(): void {
    disposeTree(this.params);
  }
}
