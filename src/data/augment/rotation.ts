import { type Colour, rotatePixels } from './affine';
import { between, expectProbability, expectRange, happens } from './draws';
import type { Transform } from './types';

/**
 * Turns pictures around their middle, within their frame.
 *
 * @see torchvision, `RandomRotation` with bilinear interpolation
 */
export function rotation({
  degrees = 10,
  fill = [0, 0, 0],
  probability = 1,
}: {
  /** At most so far either way, default 10: people lie and things hang, and captions say so. */
  degrees?: number;
  /** Colour of the corners, default black. */
  fill?: Colour;
  /** Default 1. */
  probability?: number;
} = {}): Transform {
  expectRange('degrees', [0, degrees], 0);
  expectProbability('probability', probability);
  return {
    name: 'rotate',
    options: { degrees, fill, probability },
    draw(random) {
      if (!happens(random, probability)) return undefined;
      const angle = between(random, 'angle', [-degrees, degrees]);
      return { pixels: (image) => rotatePixels(image, angle, 'bilinear', fill) };
    },
  };
}
