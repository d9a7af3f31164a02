import { expectWhole, UsageError } from '../../core/errors';
import type { PixelImage } from '../types';
import { between, expectProbability, expectRange, happens, type Range } from './draws';
import type { Transform } from './types';

/**
 * Blurs by a Gaussian.
 *
 * @see torchvision, `GaussianBlur`
 */
export function blur({
  sigma = [0.1, 2],
  kernelSize = 9,
  probability = 0.5,
}: {
  /** Its standard deviation in pixels, default [0.1, 2]. */
  sigma?: Range;
  /** Pixels that it looks at in a row, odd; default 9. */
  kernelSize?: number;
  /** Default 0.5. */
  probability?: number;
} = {}): Transform {
  expectRange('sigma', sigma, 1e-3);
  expectKernel(kernelSize);
  expectProbability('probability', probability);
  return {
    name: 'blur',
    options: { sigma, kernelSize, probability },
    draw(random) {
      if (!happens(random, probability)) return undefined;
      const width = between(random, 'sigma', sigma);
      return { pixels: (image) => gaussianBlur(image, kernelSize, width) };
    },
  };
}

function expectKernel(size: number): void {
  expectWhole('kernelSize', size, 1);
  if (size % 2 === 0) throw new UsageError(`kernelSize is ${size} but should be odd, such as ${size + 1}.`);
}

/** Rows, then columns, in floating point, rounded once; the edge is reflected without repeating its own pixel. */
export function gaussianBlur({ data, width, height }: PixelImage, kernelSize: number, sigma: number): PixelImage {
  const half = (kernelSize - 1) / 2;
  const weights = Float64Array.from({ length: kernelSize }, (_, i) => Math.exp(-0.5 * ((i - half) / sigma) ** 2));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const kernel = weights.map((weight) => weight / sum);
  const pass = (from: ArrayLike<number>, across: boolean): Float64Array => {
    const to = new Float64Array(from.length);
    const size = across ? width : height;
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        for (let tap = 0; tap < kernelSize; tap++) {
          const at = reflected((across ? x : y) + tap - half, size);
          const source = 3 * (across ? y * width + at : at * width + x);
          const target = 3 * (y * width + x);
          for (let c = 0; c < 3; c++) to[target + c]! += kernel[tap]! * from[source + c]!;
        }
    return to;
  };
  const blurred = pass(pass(data, true), false);
  return { data: Uint8Array.from(blurred, (value) => Math.round(value)), width, height, channels: 3 };
}

/** A place beyond the edge as the one that mirrors it. */
function reflected(place: number, size: number): number {
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const within = ((place % period) + period) % period;
  return within < size ? within : period - within;
}
