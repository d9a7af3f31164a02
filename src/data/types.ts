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

export type Split = 'train' | 'dev' | 'test';

/** A picture with its captions. The picture is read when asked for, so that a data set takes no memory. */
export type Example = {
  id: string;
  image(): Promise<Image>;
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
