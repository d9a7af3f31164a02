import type * as tf from '@tensorflow/tfjs';
import type { Image } from '../data/types';

/**
 * Puts pictures and texts into one space, where those that belong together lie close: CLIP, SigLIP, a dual encoder trained
 * here, or anything else with these two methods.
 */
export interface ImageTextEmbedder {
  /** [images, size], rows of length 1; belongs to the caller. */
  embedImages(images: readonly Image[]): Promise<tf.Tensor2D>;
  /** [texts, size], rows of length 1; belongs to the caller. */
  embedTexts(texts: readonly string[]): Promise<tf.Tensor2D>;
}

/** Says how well a text fits pictures by looking at both together, which is slower and better than comparing two vectors. */
export interface ImageTextScorer {
  /** One score per picture, higher is better; scores of one text can be compared with each other. */
  score(text: string, images: readonly Image[]): Promise<number[]>;
}

/** What is kept with a vector, such as a caption: anything that JSON can hold. */
export type Metadata = Readonly<Record<string, unknown>>;

/** A name that no other item has, and what is kept with it. */
export type Entry = { id: string; metadata?: Metadata };

/** A vector of any length above 0. */
export type VectorItem = Entry & { vector: Float32Array | readonly number[] };

/** A picture; its name may be its path. */
export type ImageItem = Entry & { image: Image };

/** `score`: the cosine of the angle between what was asked and what was found, in [-1, 1] up to rounding. */
export type SearchResult = Entry & { score: number };
