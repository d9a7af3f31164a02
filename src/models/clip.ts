import * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import { dense } from '../core/dense';
import { linearSpec, tableSpec } from '../core/layerSpecs';
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
import {
  atPlaces,
  type TextTowerConfig,
  textTower,
  textTowerConfig,
  textTowerSettings,
  textTowerSpec,
} from './clipText';

export type ClipConfig = {
  vision: VisionTowerConfig;
  text: TextTowerConfig;
  projectionSize: number;
  /** The token at which a text is read off; undefined for that with the largest id, as the first configurations mean it. */
  endId: number | undefined;
};

export type ClipParams = ParamsOf<ReturnType<typeof clipSpec>>;

/** What CLIP makes of pictures: `features` [pictures, tokens, size] of all tokens, `pooled` [pictures, size] of the class token. */
export type ClipSeen = { hiddenStates: tf.Tensor3D[]; features: tf.Tensor3D; pooled: tf.Tensor2D };

/** What CLIP makes of texts: `features` [texts, time, size] of all words, `pooled` [texts, size] at their end. */
export type ClipRead = { hiddenStates: tf.Tensor3D[]; features: tf.Tensor3D; pooled: tf.Tensor2D };

export function clipSpec({ vision, text, projectionSize }: ClipConfig) {
  return {
    vision: visionTowerSpec(vision, 'vision_model'),
    text: textTowerSpec(text),
    visualProjection: linearSpec('visual_projection', vision.size, projectionSize, { bias: false }),
    textProjection: linearSpec('text_projection', text.size, projectionSize, { bias: false }),
    logitScale: { ...tableSpec<tf.Rank.R0>('logit_scale', []), init: () => tf.scalar(2.6592) },
  };
}

const textSchema = v.object({
  ...textTowerSettings({
    size: 512,
    innerSize: 2048,
    numHeads: 8,
    vocabSize: 49408,
    maxLength: 77,
    activation: 'quick_gelu',
    epsilon: 1e-5,
  }),
  eos_token_id: v.optional(v.number(), 49407),
});
const schema = v.object({
  projection_dim: v.optional(whole, 512),
  text_config: v.optional(textSchema, {}),
  vision_config: v.optional(v.record(v.string(), v.unknown()), {}),
});

/**
 * Reads the `config.json` of transformers' `CLIPModel`.
 *
 * @throws DataError for settings that are not supported
 */
export function readClipConfig(json: unknown): ClipConfig {
  const { text_config: text, vision_config, projection_dim } = readConfig(schema, json, 'configuration of CLIP');
  return {
    vision: readVisionConfig('clip', vision_config),
    text: textTowerConfig(text, { causal: true }),
    projectionSize: projection_dim,
    // 2 is what old configurations say, whatever the vocabulary has; transformers then takes the largest id.
    endId: text.eos_token_id === 2 ? undefined : text.eos_token_id,
  };
}

/**
 * CLIP: pictures and texts in one space, where those that belong together lie close.
 *
 * @see Radford et al. 2021, https://arxiv.org/abs/2103.00020
 */
export class Clip {
  /** @param params - by default drawn from `random`; they belong to the model from here on */
  constructor(
    readonly config: ClipConfig,
    random: Random,
    readonly params: ClipParams = createParams(clipSpec(config), random),
  ) {}

  /** @throws DataError with everything in the file that is missing, unexpected or of another shape */
  static async load(config: ClipConfig, source: WeightSource, random = new Random(0)): Promise<Clip> {
    const rename = (name: string) => (isPositionIds(name) ? undefined : name);
    return new Clip(config, random, await loadParams(clipSpec(config), source, random, { rename }));
  }

  /** @param pixels - [pictures, height, width, 3] */
  see(pixels: tf.Tensor4D): ClipSeen {
    const { params, config } = this;
    const hiddenStates = visionTower(params.vision, config.vision, pixels);
    const features = hiddenStates.at(-1)!;
    const first = tf.reshape<tf.Rank.R2>(tf.slice(features, [0, 0, 0], [-1, 1, -1]), [
      pixels.shape[0],
      config.vision.size,
    ]);
    return { hiddenStates, features, pooled: visionNorm(params.vision, config.vision, first) };
  }

  /**
   * @param ids - [texts, time] of int32
   * @param keyPaddingMask - [texts, time], 1 = padding
   */
  read(ids: tf.Tensor2D, keyPaddingMask?: tf.Tensor2D): ClipRead {
    const { hiddenStates, last } = textTower(this.params.text, this.config.text, ids, keyPaddingMask);
    const { endId } = this.config;
    const marks = endId === undefined ? ids : tf.cast(tf.equal(ids, endId), 'int32');
    return { hiddenStates, features: last, pooled: atPlaces(last, tf.argMax(marks, 1)) };
  }

  /** Pictures in the common space [pictures, projectionSize], of any length. */
  projectSeen({ pooled }: ClipSeen): tf.Tensor2D {
    return dense(this.params.visualProjection, pooled);
  }

  /** Texts in the common space [texts, projectionSize], of any length. */
  projectRead({ pooled }: ClipRead): tf.Tensor2D {
    return dense(this.params.textProjection, pooled);
  }

  /** How well texts fit pictures: logits [texts, pictures] of vectors in the common space. */
  logits(texts: tf.Tensor2D, pictures: tf.Tensor2D): tf.Tensor2D {
    const cosines = tf.matMul(unitLength(texts), unitLength(pictures), false, true);
    return tf.mul(cosines, tf.exp(this.params.logitScale));
  }

  /** The parameters as PyTorch has them; the tensors belong to the caller. */
  stateDict(): Generator<[key: string, value: tf.Tensor]> {
    return stateDict(clipSpec(this.config), this.params);
  }

  dispose(): void {
    disposeTree(this.params);
  }
}

/** x / |x| of every row. */
export function unitLength(x: tf.Tensor2D): tf.Tensor2D {
  return tf.div(x, tf.sqrt(tf.sum(tf.square(x), -1, true)));
}

/** How far logits [pairs, pairs] are from finding the picture of every text and the text of every picture (figure 3 of the paper). */
export function clipLoss(logits: tf.Tensor2D): tf.Scalar {
  const own = tf.eye(logits.shape[0]);
  const crossEntropy = (of: tf.Tensor2D) => tf.neg(tf.mean(tf.sum(tf.mul(own, tf.logSoftmax(of)), -1)));
  return tf.mul(tf.add(crossEntropy(logits), crossEntropy(tf.transpose(logits))), 0.5);
}
