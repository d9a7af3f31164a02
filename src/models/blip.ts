import * as tf from '@tensorflow/tfjs';
import { dense } from '../core/dense';
import { linearSpec } from '../core/layerSpecs';
import { Random } from '../core/random';
import { createParams, loadParams, type ParamsOf, stateDict, type WeightSource } from '../core/spec';
import { disposeTree } from '../core/tree';
import { bertDecoderParts, bertDecoderSpec, bertLayers, bertSpec } from '../decoders/bert';
import { isBertBuffer } from '../decoders/bertParts';
import { embedTokens, readEmbedded, rememberFeatures, TransformerDecoder } from '../decoders/transformer';
import type { Preprocessing } from '../encoders/types';
import { VisionEncoder } from '../encoders/visionEncoder';
import { visionTowerSpec } from '../encoders/visionTower';
import type { BlipConfig } from './blipConfig';

const rename = (name: string) => (isBertBuffer(name) ? undefined : name);

export function blipSpec({ vision, text }: BlipConfig) {
  return { vision: visionTowerSpec(vision, 'vision_model'), text: bertDecoderSpec(text, 'text_decoder.') };
}

export type BlipParams = ParamsOf<ReturnType<typeof blipSpec>>;

/**
 * BLIP that captions, such as `Salesforce/blip-image-captioning-base`: a vision transformer, and a BERT that looks at it
 * while it speaks.
 *
 * @see Li et al. 2022, https://arxiv.org/abs/2201.12086; transformers, `BlipForConditionalGeneration`
 */
export class Blip {
  readonly encoder: VisionEncoder;
  readonly decoder: TransformerDecoder;

  /** @param params - by default drawn from `random`; they belong to the model from here on */
  constructor(
    readonly config: BlipConfig,
    random: Random,
    readonly params: BlipParams = createParams(blipSpec(config), random),
    preprocessing?: Preprocessing,
  ) {
    this.encoder = new VisionEncoder({ type: 'vision-tower', ...config.vision }, random, params.vision, preprocessing);
    this.decoder = new TransformerDecoder(bertDecoderParts(params.text, config.text));
  }

  /** @throws DataError with everything in the file that is missing, unexpected or of another shape */
  static async load(config: BlipConfig, source: WeightSource, preprocessing?: Preprocessing): Promise<Blip> {
    const params = await loadParams(blipSpec(config), source, new Random(0), { rename });
    return new Blip(config, new Random(0), params, preprocessing);
  }

  /** The parameters as PyTorch has them; the tensors belong to the caller. */
  stateDict(): Generator<[key: string, value: tf.Tensor]> {
    return stateDict(blipSpec(this.config), this.params);
  }

  dispose(): void {
    disposeTree(this.params);
  }
}

export function blipMatchingSpec({ vision, text, projectionSize }: BlipConfig) {
  return {
    vision: visionTowerSpec(vision, 'vision_model'),
    text: bertSpec(text, 'text_encoder.'),
    match: linearSpec('itm_head', text.hiddenSize, 2),
    visionProjection: linearSpec('vision_proj', vision.size, projectionSize),
    textProjection: linearSpec('text_proj', text.hiddenSize, projectionSize),
  };
}

export type BlipMatchingParams = ParamsOf<ReturnType<typeof blipMatchingSpec>>;

/**
 * BLIP that says how well a text fits a picture, such as `Salesforce/blip-itm-base-coco`: by a classifier that reads the text
 * with the picture in sight, or by the angle between both.
 *
 * @see Li et al. 2022, https://arxiv.org/abs/2201.12086, section 3.2; transformers, `BlipForImageTextRetrieval`
 */
export class BlipMatching {
  readonly encoder: VisionEncoder;

  /** @param params - by default drawn from `random`; they belong to the model from here on */
  constructor(
    readonly config: BlipConfig,
    random: Random,
    readonly params: BlipMatchingParams = createParams(blipMatchingSpec(config), random),
    preprocessing?: Preprocessing,
  ) {
    this.encoder = new VisionEncoder({ type: 'vision-tower', ...config.vision }, random, params.vision, preprocessing);
  }

  /** @throws DataError with everything in the file that is missing, unexpected or of another shape */
  static async load(config: BlipConfig, source: WeightSource, preprocessing?: Preprocessing): Promise<BlipMatching> {
    const params = await loadParams(blipMatchingSpec(config), source, new Random(0), { rename });
    return new BlipMatching(config, new Random(0), params, preprocessing);
  }

  /**
   * Texts, every word in sight of all others and, where features are given, of the picture.
   *
   * @param tokens - [rows, time] of int32
   * @param keyPaddingMask - [rows, time], 1 = padding
   * @param features - [images, positions, size] of `encoder.encode`; rows a multiple of images
   * @returns [rows, time, size]
   */
  read(tokens: tf.Tensor2D, keyPaddingMask?: tf.Tensor2D, features?: tf.Tensor3D): tf.Tensor3D {
    const parts = bertLayers(this.params.text, this.config.text);
    const memory = features ? rememberFeatures(parts, features) : { layers: [] };
    const { embedded, state } = embedTokens(parts, tokens, { layers: [] }, keyPaddingMask);
    return readEmbedded(parts, embedded, state, memory, { causal: false }).hiddenStates.at(-1)!;
  }

  /** Logits [rows, 2] of what `read` makes with features: that text and picture do not fit, and that they do. */
  matchLogits(hidden: tf.Tensor3D): tf.Tensor2D {
    return dense(this.params.match, firstOf(hidden));
  }

  /** Vectors of length 1 [images, projectionSize] of features. */
  pictureVectors(features: tf.Tensor3D): tf.Tensor2D {
    return normalised(dense(this.params.visionProjection, firstOf(features)));
  }

  /** Vectors of length 1 [rows, projectionSize] of what `read` makes without features. */
  textVectors(hidden: tf.Tensor3D): tf.Tensor2D {
    return normalised(dense(this.params.textProjection, firstOf(hidden)));
  }

  /** The parameters as PyTorch has them; the tensors belong to the caller. */
  stateDict(): Generator<[key: string, value: tf.Tensor]> {
    return stateDict(blipMatchingSpec(this.config), this.params);
  }

  dispose(): void {
    disposeTree(this.params);
  }
}

/** The first token of each row: [rows, time, size] -> [rows, size] */
function firstOf(x: tf.Tensor3D): tf.Tensor2D {
  const [rows, , size] = x.shape;
  return tf.reshape(tf.slice(x, [0, 0, 0], [rows, 1, size]), [rows, size]);
}

const normalised = (x: tf.Tensor2D): tf.Tensor2D => tf.div(x, tf.maximum(tf.norm(x, 2, -1, true), 1e-12));
