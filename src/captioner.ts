import * as tf from '@tensorflow/tfjs';
import { warnIfPlainCpu } from './backends/warnIfPlainCpu';
import { expectWhole, UsageError } from './core/errors';
import { leaves, type Tree } from './core/tree';
import { normalisePixels, toPixels } from './data/pixels';
import type { Tokenizer } from './data/tokenizer';
import type { Image, PixelImage } from './data/types';
import { beam } from './decoders/search/beam';
import type { Hypothesis, Search } from './decoders/search/types';
import type { TrainableDecoder } from './decoders/types';
import type { Encoder } from './encoders/types';

/** How a captioner searches when it is not told otherwise; chosen on a development split and kept in `config.json`. */
export type GenerationDefaults = { beamSize: number; lengthPenalty: number; maxLength: number };

/** The parts that every captioner is made of; training, captioning and evaluation know nothing else. */
export interface Captioner {
  readonly encoder: Encoder;
  // biome-ignore lint/suspicious/noExplicitAny: state and memory are the decoder's own business
  readonly decoder: TrainableDecoder<any, any>;
  readonly tokenizer: Tokenizer;
  readonly generation: GenerationDefaults;
  /** Probability of dropping a value in training. */
  readonly dropout: number;
}

export type CaptionOptions = {
  /** `greedy()`, `beam(...)` or `sample(...)`; by default the beam that the captioner was tuned with. */
  search?: Search;
  /** Most tokens per caption, the end token included. */
  maxLength?: number;
  /** Pictures that go through the model together; changes speed and memory, not results. */
  batchSize?: number;
  /** Return where the model looked at every word. */
  attention?: boolean;
  signal?: AbortSignal;
};

export type CaptionText = {
  text: string;
  words: string[];
  /** Ids, the end token included where it was reached. */
  tokens: number[];
  /** Natural logarithms, one per token. */
  logProbs: number[];
  score: number;
};

export type Caption = CaptionText & {
  /** [words][positions], with `attention: true` */
  attention?: number[][];
  /** Rows and columns of the positions, with `attention: true` */
  grid?: readonly [rows: number, columns: number];
  /** The other captions that the search kept, best first. */
  alternatives?: CaptionText[];
};

/** Pictures that go through an encoder at once; more are no faster, and all that a layer makes stays until the last. */
const ENCODED_TOGETHER = 8;

/** features [images, positions, featureSize] of pictures; belongs to the caller. */
export async function encodeImages(encoder: Encoder, images: readonly Image[]): Promise<tf.Tensor3D> {
  return encodePixels(encoder, await Promise.all(images.map((image) => toPixels(image, encoder.preprocessing))));
}

/** features [images, positions, featureSize] of RGB pixels of any size; belongs to the caller. */
export function encodePixels(encoder: Encoder, images: readonly PixelImage[]): tf.Tensor3D {
  warnIfPlainCpu();
  return tf.tidy(() => {
    const parts: tf.Tensor3D[] = [];
    for (let start = 0; start < images.length; start += ENCODED_TOGETHER) {
      const values = normalisePixels(images.slice(start, start + ENCODED_TOGETHER), encoder.preprocessing);
      parts.push(tf.tidy(() => encoder.encode(pixelTensor(encoder, values))));
    }
    return parts.length === 1 ? parts[0]! : tf.concat(parts, 0);
  });
}

/** values [images * height * width * 3] -> [images, height, width, 3] */
export function pixelTensor(encoder: Encoder, values: Float32Array): tf.Tensor4D {
  const [height, width] = encoder.preprocessing.size;
  return tf.tensor4d(values, [values.length / (height * width * 3), height, width, 3]);
}

/** Captions of pictures, in their order. */
export async function captionImages(
  captioner: Captioner,
  images: readonly Image[],
  options: CaptionOptions = {},
): Promise<Caption[]> {
  const { batchSize = 16, signal } = options;
  expectWhole('batchSize', batchSize, 1);
  const captions: Caption[] = [];
  for (let start = 0; start < images.length; start += batchSize) {
    signal?.throwIfAborted();
    const features = await encodeImages(captioner.encoder, images.slice(start, start + batchSize));
    try {
      captions.push(...(await captionFeatures(captioner, features, options)));
    } finally {
      features.dispose();
    }
  }
  return captions;
}

/** Captions of features [images, positions, featureSize], which stay the caller's. */
export async function captionFeatures(
  captioner: Captioner,
  features: tf.Tensor3D,
  options: CaptionOptions = {},
): Promise<Caption[]> {
  const { decoder, tokenizer, generation, encoder } = captioner;
  const { search = beam(generation), maxLength = generation.maxLength, attention = false, signal } = options;
  if (typeof search !== 'function')
    throw new UsageError(
      'search should be a strategy such as greedy(), beam({ beamSize: 3 }) or sample({ topP: 0.9 }).',
    );
  expectWhole('maxLength', maxLength, 1);
  const { padId, startId, endId, unknownId } = tokenizer;
  const memory = tf.tidy(() => decoder.remember(features)) as Tree;
  try {
    const found = await search(decoder, memory, {
      batch: features.shape[0],
      startId,
      endId,
      maxLength,
      attention,
      suppress: [padId, startId, unknownId],
      ...(signal && { signal }),
    });
    return found.map(([best, ...others]) => ({
      ...textOf(best!, tokenizer),
      ...(attention && best!.weights && { attention: best!.weights.slice(0, wordsIn(best!)), grid: encoder.grid }),
      ...(others.length > 0 && { alternatives: others.map((other) => textOf(other, tokenizer)) }),
    }));
  } finally {
    for (const tensor of leaves(memory).values()) if (tensor !== features) tensor.dispose();
  }
}

/** Tokens of a hypothesis that are words. */
const wordsIn = ({ tokens, finished }: Hypothesis) => (finished ? tokens.length - 1 : tokens.length);

function textOf(hypothesis: Hypothesis, tokenizer: Tokenizer): CaptionText {
  const { tokens, logProbs, score } = hypothesis;
  const spoken = tokens.slice(0, wordsIn(hypothesis));
  return { text: tokenizer.decode(spoken), words: tokenizer.words(spoken), tokens, logProbs, score };
}
