import { changePixels } from '../data/augment/augment';
import { transformsOf } from '../data/augment/named';
import { type Fit, fittedImage } from '../data/fit';
import type { PictureSource } from '../data/layouts/entry';
import { toRGB } from '../data/pixels';
import type { FittedImage, PixelImage } from '../data/types';
import { readImage } from './image';
import { decodePicture, PictureOpener } from './openPicture';

/** Where a picture is, or its bytes or pixels; `location` is what `readImage` takes. */
export type PictureOrigin = PictureSource | { location: string } | { bytes: Uint8Array } | { pixels: PixelImage };

/** What is to be done to a picture; plain data, so that a thread can be asked for it. */
export type PictureTask = {
  origin: PictureOrigin;
  /** For messages. */
  name: string;
  /** What `describe` wrote of transforms, and the seed that they draw from. */
  changes: readonly { transforms: string; seed: number }[];
  /** Without it, the picture stays in its size. */
  fit?: Fit;
};

/** Reads a picture, changes and fits it. */
export async function doPictureTask({ origin, name, changes, fit }: PictureTask): Promise<PixelImage | FittedImage> {
  const read = await readOrigin(origin, name);
  const image = changes.reduce(
    (picture, { transforms, seed }) => changePixels(picture, transformsOf(transforms), seed),
    read,
  );
  return fit ? fittedImage(toRGB(image, fit.alpha), fit) : image;
}

async function readOrigin(origin: PictureOrigin, name: string): Promise<PixelImage> {
  if ('pixels' in origin) return origin.pixels;
  if ('location' in origin) return readImage(origin.location);
  return 'bytes' in origin ? decodePicture(origin.bytes, name) : new PictureOpener().open(origin, name);
}
