import type { Random } from '../../core/random';
import type { Example, PixelImage } from '../types';

/** What is done to one picture. */
export type Change = {
  /** RGB to RGB. */
  pixels(image: PixelImage): PixelImage;
  /** What becomes of a caption, where it would no longer be true. */
  caption?(caption: string): string;
  /** It turns left and right round and does nothing else. */
  flips?: true;
};

/** A way to change pictures at random. */
export type Transform = {
  readonly name: string;
  /** Plain values, so that another thread can make the same one. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The change of one picture, which follows from `random` alone; nothing where it stays as it is. */
  draw(random: Random): Change | undefined;
};

/** Changes examples at random: the picture when it is read, the captions at once. */
export type Augmentation = {
  /** What it does, as JSON: a resumed training must have the same. */
  readonly description: string;
  /** @param seed - decides all that is random */
  apply(example: Example, seed: number): Example;
};
