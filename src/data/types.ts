import type { Fit } from './fit';

/** Pixels in rows, 8 bits per channel; `channels` 1 (grey), 3 (RGB) or 4 (RGBA). */
export type PixelImage = {
  data: Uint8Array | Uint8ClampedArray;
  width: number;
  height: number;
  channels: 1 | 3 | 4;
};

/** A picture: pixels or, in a browser, anything that it can draw. */
export type Image =
  | PixelImage
  | Blob
  | ImageBitmap
  | ImageData
  | HTMLCanvasElement
  | OffscreenCanvas
  | HTMLImageElement
  | HTMLVideoElement;

/** A picture as an encoder reads it, which is not to be resized again. */
export type FittedImage = PixelImage & {
  /** How it was fitted, as `describeFit` says it. */
  fit: string;
  /** `pictureKey` of the pixels before they were fitted. */
  key: string;
};

/**
 * Reads a picture. One that can also be read, changed and resized elsewhere, such as in a thread, says so; who puts another
 * function in its place takes that away with it.
 */
export interface OpenImage {
  (): Promise<Image>;
  /** The picture as an encoder reads it. */
  fitted?(fit: Fit): Promise<FittedImage>;
  /** The picture as transforms leave it: named ones, as `describe` writes them. */
  changed?(transforms: string, seed: number): OpenImage;
}

export type Split = 'train' | 'dev' | 'test';

/** A picture with its captions. The picture is read when asked for, so that a data set takes no memory. */
export type Example = {
  id: string;
  image: OpenImage;
  captions: string[];
  split: Split;
  metadata?: Record<string, unknown>;
  /** How the picture was changed: the `flipped` one is always the same, a `random` one never comes again. Absent where it was not. */
  view?: 'flipped' | 'random';
};

/** The examples of one split, to be walked any number of times; pictures are read only when asked for. */
export interface Dataset extends AsyncIterable<Example> {
  /** Number of examples (pictures). */
  readonly size: number;
  /** Ids in the order of iteration. */
  readonly ids: readonly string[];
  /** The example at `index` of `ids`. */
  at(index: number): Promise<Example>;
  /** Every caption, picture by picture. */
  captions(): AsyncIterable<string>;
}

/** A row that could not be used, by name, and why. */
export type Problem = { where: string; problem: string };

export type CaptionData = {
  /** What was recognised, such as `flickr8k`. */
  layout: string;
  train: Dataset;
  dev: Dataset;
  test: Dataset;
  /** Whether the splits are those of the folder's split files or were drawn by seed. */
  splitSource: 'files' | 'seed';
  /** Captions that the files hold and pictures that they name, before any was left out. */
  found: { captions: number; pictures: number };
  /** What was left out, row by row. */
  problems: readonly Problem[];
};
