import * as tf from '@tensorflow/tfjs';
import { warnIfPlainCpu } from './backends/warnIfPlainCpu';
import type { MetadataReading } from './captioner/metadata';
import { expectWhole, UsageError } from './core/errors';
import { parametersOf } from './core/parameters';
import { leaves, type Tree } from './core/tree';
import { normalisePixels, toPixels } from './data/pixels';
import type { Tokenizer } from './data/tokenizer';
import type { Image, PixelImage } from './data/types';
import { beam } from './decoders/search/beam';
import type { Hypothesis, Search, SearchProblem } from './decoders/search/types';
import type { Decoder, TrainableDecoder } from './decoders/types';
import type { Encoder } from './encoders/types';

/** How a captioner searches when it is not told otherwise; chosen on a development split and kept in `config.json`. */
export type GenerationDefaults = { beamSize: number; lengthPenalty: number; maxLength: number };

/** Those of a captioner for which none were chosen. */
export const generationDefaults = (given: Partial<GenerationDefaults> = {}): GenerationDefaults => ({
  ...{ beamSize: 3, lengthPenalty: 0.9, maxLength: 20 },
  ...given,
});

/** The parts that every captioner is made of; training, captioning and evaluation know nothing else. */
export interface Captioner {
  readonly encoder: Encoder;
  // biome-ignore lint/suspicious/noExplicitAny: state and memory are the decoder's own business
  readonly decoder: TrainableDecoder<any, any>;
  readonly tokenizer: Tokenizer;
  readonly generation: GenerationDefaults;
  /** Probability of dropping a value in training. */
  readonly dropout: number;
  /** How it searches when it is not told otherwise, where that is more than `generation` says. */
  readonly search?: Search | undefined;
  /** Tokens that are never said; by default padding, start and unknown. */
  readonly suppress?: readonly number[];
  /** What it was made to read of the metadata of pictures; see `captionWithMetadata`. */
  readonly metadata?: MetadataReading | undefined;
}

export type CaptionOptions = {
  /** `greedy()`, `beam(...)`, `sample(...)` or `contrastive(...)`; by default the beam that the captioner was tuned with. */
  search?: Search;
  /** Most tokens per caption, the end token included. */
  maxLength?: number;
  /** Pictures that go through the model together; changes speed and memory, not results. */
  batchSize?: number;
  /** Return where the model looked at every word. */
  attention?: boolean;
  /** Return so many of the likeliest words for every place. */
  wordAlternatives?: number;
  signal?: AbortSignal;
};

/** A word that might have come; empty where the token is no word, such as the end. */
export type WordChance = { word: string; token: number; logProb: number };

export type CaptionText = {
  text: string;
  words: string[];
  /** Ids, the end token included where it was reached. */
  tokens: number[];
  /** Natural logarithms, one per token: what the model says, before constraints change it. */
  logProbs: number[];
  /** What the search ranked by. */
  score: number;
};

export type Caption = CaptionText & {
  /** [words][positions], with `attention: true` */
  attention?: number[][];
  /** Rows and columns of the positions, with `attention: true` */
  grid?: readonly [rows: number, columns: number];
  /** Per token the likeliest words in its place, best first, with `wordAlternatives` */
  wordAlternatives?: WordChance[][];
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

/** Captions of pictures in their order, or the caption of one. */
export function captionImages(
  captioner: Captioner,
  images: readonly Image[],
  options?: CaptionOptions,
): Promise<Caption[]>;
export function captionImages(
  captioner: Captioner,
  images: Image | readonly Image[],
  options?: CaptionOptions,
): Promise<Caption | Caption[]>;
export function captionImages(
  captioner: Captioner,
  images: Image | readonly Image[],
  options: CaptionOptions = {},
): Promise<Caption | Caption[]> {
  return captionBatches(captioner.encoder, images, options, (features) =>
    captionFeatures(captioner, features, options),
  );
}

/**
 * Encodes pictures a batch at a time, and captions each batch.
 *
 * @param caption - gets the features, which it does not own, and which picture is their first
 */
export async function captionBatches(
  encoder: Encoder,
  images: Image | readonly Image[],
  { batchSize = 16, signal }: Pick<CaptionOptions, 'batchSize' | 'signal'>,
  caption: (features: tf.Tensor3D, start: number) => Promise<Caption[]>,
): Promise<Caption | Caption[]> {
  expectWhole('batchSize', batchSize, 1);
  const all: readonly Image[] = Array.isArray(images) ? images : [images as Image];
  const captions: Caption[] = [];
  for (let start = 0; start < all.length; start += batchSize) {
    signal?.throwIfAborted();
    const features = await encodeImages(encoder, all.slice(start, start + batchSize));
    try {
      captions.push(...(await caption(features, start)));
    } finally {
      features.dispose();
    }
  }
  return Array.isArray(images) ? captions : captions[0]!;
}

/** Every trainable number of a captioner by the path that it has in training and in a checkpoint. */
export function captionerParameters({
  encoder,
  decoder,
}: Pick<Captioner, 'encoder' | 'decoder'>): Map<string, tf.Variable> {
  return new Map([...parametersOf(encoder.params, 'encoder'), ...parametersOf(decoder.params, 'decoder')]);
}

/** Captions of features [images, positions, featureSize], which stay the caller's. */
export async function captionFeatures(
  captioner: Captioner,
  features: tf.Tensor3D,
  options: CaptionOptions = {},
): Promise<Caption[]> {
  const memory = tf.tidy(() => captioner.decoder.remember(features)) as Tree;
  try {
    return await captionMemory(captioner, memory, features.shape[0], options);
  } finally {
    for (const tensor of leaves(memory).values()) if (tensor !== features) tensor.dispose();
  }
}

/** What is needed to say what is in a memory. */
export type CaptionSource = Pick<Captioner, 'tokenizer' | 'generation' | 'search' | 'suppress'> & {
  // biome-ignore lint/suspicious/noExplicitAny: state and memory are the decoder's own business
  readonly decoder: Decoder<any, any>;
  readonly encoder: Pick<Encoder, 'grid' | 'leading'>;
};

/** Captions of what a decoder remembers of `batch` pictures, which stays the caller's. */
export async function captionMemory(
  source: CaptionSource,
  memory: Tree,
  batch: number,
  options: CaptionOptions & Pick<SearchProblem, 'prompts' | 'onToken'> = {},
): Promise<Caption[]> {
  const { decoder, tokenizer, generation, encoder } = source;
  const { beamSize, lengthPenalty } = generation;
  const { search = source.search ?? beam({ beamSize, lengthPenalty }), attention = false } = options;
  const { maxLength = generation.maxLength } = options;
  const { wordAlternatives = 0, signal, prompts, onToken } = options;
  if (typeof search !== 'function')
    throw new UsageError(
      'search should be a strategy such as greedy(), beam({ beamSize: 3 }) or sample({ topP: 0.9 }).',
    );
  expectWhole('maxLength', maxLength, 1);
  expectWhole('wordAlternatives', wordAlternatives, 0);
  const { padId, startId, endId, unknownId } = tokenizer;
  const found = await search(decoder, memory, {
    ...{ batch, startId, endId, padId, maxLength, attention, wordAlternatives },
    // Some vocabularies have one token for padding, start and end.
    suppress: source.suppress ?? [padId, startId, unknownId].filter((token) => token !== endId),
    ...(signal && { signal }),
    ...(prompts && { prompts }),
    ...(onToken && { onToken }),
  });
  return found.map(([best, ...others]) => ({
    ...textOf(best!, tokenizer),
    ...(attention && best!.weights && { attention: attentionOf(best!, encoder), grid: encoder.grid }),
    ...(best!.alternatives && {
      wordAlternatives: best!.alternatives.map((place) =>
        place.map((chance) => ({ word: tokenizer.words([chance.token])[0] ?? '', ...chance })),
      ),
    }),
    ...(others.length > 0 && { alternatives: others.map((other) => textOf(other, tokenizer)) }),
  }));
}

/** Tokens of a hypothesis that are words. */
const wordsIn = ({ tokens, finished }: Hypothesis) => (finished ? tokens.length - 1 : tokens.length);

/** [words][positions of the grid] */
function attentionOf(hypothesis: Hypothesis, { leading = 0 }: Pick<Encoder, 'leading'>): number[][] {
  return hypothesis.weights!.slice(0, wordsIn(hypothesis)).map((weights) => weights.slice(leading));
}

function textOf(hypothesis: Hypothesis, tokenizer: Tokenizer): CaptionText {
  const { tokens, logProbs, score } = hypothesis;
  const spoken = tokens.slice(0, wordsIn(hypothesis));
  return { text: tokenizer.decode(spoken), words: tokenizer.words(spoken), tokens, logProbs, score };
}
