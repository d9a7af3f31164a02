import { type Colour, rotatePixels } from './affine';
import { between, expectProbability, expectRange, happens } from './draws';
import type { Transform } from './types';

/**
 * Turns pictures around their middle, within their frame.
 *
 * @param options.degrees - at most so far either way, default 10: people lie and things hang, and captions say so
 * @param options.fill - colour of the corners, default black
 * @param options.probability - default 1
 * @see torchvision, `RandomRotation` with bilinear interpolation
 */
export function rotation({
  degrees = 10,
  fill = [0, 0, 0],
  probability = 1,
}: {
  degrees?: number;
  fill?: Colour;
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
