import { expectWhole } from '../../core/errors';
import { resize } from '../resize';
import type { PixelImage } from '../types';
import { type Box, drawBox, expectRange, type Range } from './draws';
import type { Transform } from './types';

/**
 * Cuts a rectangle out, of a random size, form and place.
 *
 * @see torchvision, `RandomResizedCrop`; where nothing fits, the largest middle part of a form within `ratio` is taken, as there
 */
export function randomResizedCrop({
  scale = [0.5, 1],
  ratio = [3 / 4, 4 / 3],
  size,
}: {
  /** Its area as a share of the picture's, default [0.5, 1]. ImageNet's [0.08, 1] loses what captions speak of. */
  scale?: Range;
  /** Its width to its height, default [3/4, 4/3]. */
  ratio?: Range;
  /** What it is resized to. Without it that is left to the preprocessing of the encoder, which resizes once instead of twice. */
  size?: readonly [height: number, width: number];
} = {}): Transform {
  expectRange('scale', scale, 0);
  expectRange('ratio', ratio, 0.01);
  if (size) for (const side of size) expectWhole('size', side, 1);
  return {
    name: 'crop',
    options: { scale, ratio, ...(size && { size }) },
    draw: (random) => ({
      pixels(image) {
        const cut = crop(image, drawBox(random, image, scale, ratio) ?? middle(image, ratio));
        return size ? resize(cut, size[1], size[0], 'bilinear') : cut;
      },
    }),
  };
}

/** A rectangle of a picture. */
export function crop({ data, width, channels }: PixelImage, { left, top, ...size }: Box): PixelImage {
  const row = size.width * channels;
  const cut = new Uint8Array(size.height * row);
  for (let y = 0; y < size.height; y++) {
    const from = ((top + y) * width + left) * channels;
    cut.set(data.subarray(from, from + row), y * row);
  }
  return { data: cut, ...size, channels };
}

/** The largest part of the middle whose form is within `ratio`. */
export function middle({ width, height }: PixelImage, [least, most]: Range): Box {
  const form = width / height;
  const [w, h] =
    form < least
      ? [width, Math.min(height, Math.round(width / least))]
      : form > most
        ? [Math.min(width, Math.round(height * most)), height]
        : [width, height];
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h };
}
