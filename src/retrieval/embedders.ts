import * as tf from '@tensorflow/tfjs';
import { encodeImages } from '../captioner';
import { DataError } from '../core/errors';
import type { Encoded, PretrainedTokenizer } from '../data/pretrainedTokenizer';
import type { Image } from '../data/types';
import type { Encoder, Preprocessing } from '../encoders/types';
import type { BlipMatching } from '../models/blip';
import { type Clip, unitLength } from '../models/clip';
import type { Siglip, SiglipConfig } from '../models/siglip';
import type { ImageTextEmbedder, ImageTextScorer } from './types';

/** What is needed of the tokenizer of a published model. */
export type TextTokenizer = Pick<PretrainedTokenizer, 'encodeBatch'>;

/** CLIP as an embedder. The model stays the caller's. */
export function clipEmbedder(clip: Clip, tokenizer: TextTokenizer, preprocessing: Preprocessing): ImageTextEmbedder {
  const { projectionSize, text } = clip.config;
  const encoder = pictureEncoder(preprocessing, projectionSize, (pixels) => clip.projectSeen(clip.see(pixels)));
  return {
    embedImages: (images) => embedPictures(encoder, images, (features) => unitLength(tf.squeeze(features, [1]))),
    async embedTexts(texts) {
      const rows = tokenizer.encodeBatch(texts, { ...upTo(text.maxLength), padding: 'longest' });
      return tf.tidy(() => {
        const { ids, padding } = textTensors(rows);
        return unitLength(clip.projectRead(clip.read(ids, padding)));
      });
    },
  };
}

/** SigLIP as an embedder. The model, which has to be one that pools pictures, stays the caller's. */
export function siglipEmbedder(
  siglip: Siglip,
  tokenizer: TextTokenizer,
  preprocessing: Preprocessing,
): ImageTextEmbedder {
  expectPooled(siglip.config);
  const { vision, text } = siglip.config;
  const encoder = pictureEncoder(preprocessing, vision.size, (pixels) => siglip.see(pixels).pooled!);
  return {
    embedImages: (images) => embedPictures(encoder, images, (features) => unitLength(tf.squeeze(features, [1]))),
    async embedTexts(texts) {
      const rows = tokenizer.encodeBatch(texts, { ...upTo(text.maxLength), padding: 'maxLength' });
      return tf.tidy(() => unitLength(siglip.read(textTensors(rows).ids).pooled));
    },
  };
}

/** @throws DataError for a SigLIP that makes no vectors of pictures */
export function expectPooled({ pooled }: Pick<SiglipConfig, 'pooled'>): void {
  if (!pooled)
    throw new DataError(
      'This SigLIP has no head that pools pictures (vision_use_head is false), so it cannot embed them.',
    );
}

/** The contrastive heads of BLIP as an embedder. The model stays the caller's. */
export function blipEmbedder(blip: BlipMatching, tokenizer: TextTokenizer): ImageTextEmbedder {
  return {
    embedImages: (images) => embedPictures(blip.encoder, images, (features) => blip.pictureVectors(features)),
    async embedTexts(texts) {
      const rows = tokenizer.encodeBatch(texts, { ...upTo(blip.config.text.maxPositions), padding: 'longest' });
      return tf.tidy(() => {
        const { ids, padding } = textTensors(rows);
        return blip.textVectors(blip.read(ids, padding));
      });
    },
  };
}

/** BLIP's head that reads a text with the picture in sight: the probability that both belong together. The model stays the caller's. */
export function blipScorer(blip: BlipMatching, tokenizer: TextTokenizer): ImageTextScorer {
  return {
    async score(text, images) {
      if (images.length === 0) return [];
      const [row] = tokenizer.encodeBatch([text], { ...upTo(blip.config.text.maxPositions), padding: 'longest' });
      const features = await encodeImages(blip.encoder, images);
      const matches = tf.tidy(() => {
        const { ids, padding } = textTensors(images.map(() => row!));
        const logits = blip.matchLogits(blip.read(ids, padding, features));
        return tf.slice(tf.softmax(logits), [0, 1], [-1, 1]);
      });
      try {
        return [...(await matches.data())];
      } finally {
        tf.dispose([features, matches]);
      }
    },
  };
}

const upTo = (maxLength: number) => ({ truncation: true, maxLength });

/** ids [texts, time] of int32, padding [texts, time], 1 = padding */
function textTensors(rows: readonly Encoded[]): { ids: tf.Tensor2D; padding: tf.Tensor2D } {
  const shape: [number, number] = [rows.length, rows[0]?.ids.length ?? 0];
  const ids = rows.flatMap((row) => row.ids);
  const padding = rows.flatMap(({ mask }) => mask.map((token) => 1 - token));
  return { ids: tf.tensor2d(ids, shape, 'int32'), padding: tf.tensor2d(padding, shape) };
}

/** What a model makes of whole pictures as an encoder of one position, so that pictures enter as they do everywhere. */
function pictureEncoder(
  preprocessing: Preprocessing,
  featureSize: number,
  see: (pixels: tf.Tensor4D) => tf.Tensor2D,
): Encoder {
  return {
    config: { type: 'pictures' },
    preprocessing,
    grid: [1, 1],
    featureSize,
    params: {},
    encode: (pixels) => tf.expandDims(see(pixels), 1),
    dispose() {}, // the model is the caller's
  };
}

async function embedPictures(
  encoder: Encoder,
  images: readonly Image[],
  vectorsOf: (features: tf.Tensor3D) => tf.Tensor2D,
): Promise<tf.Tensor2D> {
  const features = await encodeImages(encoder, images);
  try {
    return tf.tidy(() => vectorsOf(features));
  } finally {
    features.dispose();
  }
}
