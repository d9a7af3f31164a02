import type { PixelImage } from '../types';
import type { Colour } from './affine';
import { type Box, drawBox, expectProbability, expectRange, happens, type Range } from './draws';
import type { Transform } from './types';

/**
 * Covers a rectangle (Zhong et al. 2020, https://arxiv.org/abs/1708.04896).
 *
 * @see torchvision, `RandomErasing`, which covers what the encoder reads and not the picture: there black is the mean colour
 */
export function randomErasing({
  scale = [0.02, 0.33],
  ratio = [0.3, 3.3],
  fill = [127, 127, 127],
  probability = 0.5,
}: {
  /** Its area as a share of the picture's, default [0.02, 0.33]. */
  scale?: Range;
  /** Its width to its height, default [0.3, 3.3]. */
  ratio?: Range;
  /** Its colour, default grey; `noise` gives every pixel its own. */
  fill?: Colour | 'noise';
  /** Default 0.5. */
  probability?: number;
} = {}): Transform {
  expectRange('scale', scale, 0);
  expectRange('ratio', ratio, 0.01);
  expectProbability('probability', probability);
  return {
    name: 'erase',
    options: { scale, ratio, fill, probability },
    draw(random) {
      if (!happens(random, probability)) return undefined;
      const colours = (box: Box) => {
        const values = fill === 'noise' ? random.fork('noise').uniform(box.width * box.height * 3) : undefined;
        return (pixel: number, c: number) => (values ? 256 * values[3 * pixel + c]! : (fill as Colour)[c]!);
      };
      return {
        pixels(image) {
          const box = drawBox(random, image, scale, ratio);
          return box ? erase(image, box, colours(box)) : image;
        },
      };
    },
  };
}

/** @param colour - of a channel of the pixel with this number within the box, row by row */
export function erase(
  { data, width, height }: PixelImage,
  box: Box,
  colour: (pixel: number, channel: number) => number,
): PixelImage {
  const covered = Uint8Array.from(data);
  for (let y = 0; y < box.height; y++)
    for (let x = 0; x < box.width; x++)
      for (let c = 0; c < 3; c++)
        covered[((box.top + y) * width + box.left + x) * 3 + c] = colour(y * box.width + x, c);
  return { data: covered, width, height, channels: 3 };
}
