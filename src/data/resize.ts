import { expectWhole, UsageError } from '../core/errors';
import type { Filter } from '../core/preprocessing';
import type { PixelImage } from './types';

/** Fractional bits of the fixed-point weights: 32 less 8 for the pixel and 2 for the sum, as in Pillow. */
const PRECISION = 22;

/** For each output pixel: where its inputs start, and their fixed-point weights. */
type Taps = { start: number; weights: Int32Array }[];

/** A filter's weight at a distance from the centre, and the distance from which on it is zero. */
type Kernel = { support: number; weight: (x: number) => number };

const sinc = (x: number) => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

const kernels: Record<Exclude<Filter, 'nearest'>, Kernel> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    weight: (x) => (Math.abs(x) >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * Math.cos(x * Math.PI))),
  },
  // Keys' cubic with a = -0.5
  bicubic: {
    support: 2,
    weight: (signed) => {
      const x = Math.abs(signed);
      if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
    },
  },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/**
 * Resizing with antialiasing, bit for bit what Pillow's `Image.resize((width, height), filter)` gives, on which published
 * preprocessing rests. Both sides are resized without cropping.
 *
 * One axis at a time, rounded to 8 bits in between: columns first, but rows first where the height loses more than twice
 * the pixels that the width does (as Pillow does since version 13; before, columns always came first). An output pixel is the mean of the inputs
 * under the filter around its centre; when shrinking, the filter is as much wider as the picture gets smaller. Weights sum
 * to 1, are rounded to 22 fractional bits and applied in whole numbers. An axis that keeps its size is not touched.
 * `nearest` takes the input under the centre of the output pixel.
 *
 * @see Pillow, src/libImaging/Resample.c: `precompute_coeffs` and `ImagingResample{Horizontal,Vertical}_8bpc`; Geometry.c
 */
export function resize(image: PixelImage, width: number, height: number, filter: Filter): PixelImage {
  expectWhole('width', width, 1);
  expectWhole('height', height, 1);
  if (filter === 'nearest') return resizeNearest(image, width, height);
  const kernel = kernels[filter];
  if (!kernel) throw new UsageError(`filter is '${filter}' but should be nearest, ${Object.keys(kernels).join(', ')}.`);
  const columns = (picture: PixelImage) =>
    width === picture.width ? picture : resizeColumns(picture, width, filterTaps(kernel, picture.width, width));
  const rows = (picture: PixelImage) =>
    height === picture.height ? picture : resizeRows(picture, height, filterTaps(kernel, picture.height, height));
  const rowsFirst = image.height - height > 2 * Math.max(0, image.width - width);
  return rowsFirst ? columns(rows(image)) : rows(columns(image));
}

/** `resize` with the bilinear filter. */
export function resizeBilinear(image: PixelImage, width: number, height: number): PixelImage {
  return resize(image, width, height, 'bilinear');
}

function filterTaps({ support, weight }: Kernel, inputs: number, outputs: number): Taps {
  const scale = inputs / outputs;
  const wider = Math.max(scale, 1);
  const radius = support * wider;
  // Multiplied, not divided, below: the quotient's last bit would differ from Pillow's.
  const perPixel = 1 / wider;
  return Array.from({ length: outputs }, (_, output) => {
    const centre = (output + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - radius + 0.5));
    const end = Math.min(inputs, Math.trunc(centre + radius + 0.5));
    const weights = Float64Array.from({ length: end - start }, (_, tap) =>
      weight((start + tap - centre + 0.5) * perPixel),
    );
    const sum = weights.reduce((total, each) => total + each, 0);
    return { start, weights: Int32Array.from(weights, (each) => fixedPoint(each / sum)) };
  });
}

/** To the nearest fixed-point number, from the middle away from zero. */
const fixedPoint = (weight: number) => Math.trunc(weight * 2 ** PRECISION + (weight < 0 ? -0.5 : 0.5));

/** The weighted sum of pixels that lie `stride` values apart, rounded to 8 bits. */
function weightedPixel(data: PixelImage['data'], first: number, stride: number, weights: Int32Array): number {
  let sum = 1 << (PRECISION - 1); // whole, which `**` is only where a compiler sees that PRECISION is constant
  for (let tap = 0; tap < weights.length; tap++) sum += data[first + tap * stride]! * weights[tap]!;
  return Math.max(0, Math.min(255, sum >> PRECISION));
}

function resizeColumns({ data, width: inputs, height, channels }: PixelImage, width: number, taps: Taps): PixelImage {
  const resized = new Uint8Array(height * width * channels);
  taps.forEach(({ start, weights }, x) => {
    for (let y = 0; y < height; y++)
      for (let c = 0; c < channels; c++)
        resized[(y * width + x) * channels + c] = weightedPixel(
          data,
          (y * inputs + start) * channels + c,
          channels,
          weights,
        );
  });
  return { data: resized, width, height, channels };
}

function resizeRows({ data, width, channels }: PixelImage, height: number, taps: Taps): PixelImage {
  const row = width * channels;
  const resized = new Uint8Array(height * row);
  taps.forEach(({ start, weights }, y) => {
    for (let i = 0; i < row; i++) resized[y * row + i] = weightedPixel(data, start * row + i, row, weights);
  });
  return { data: resized, width, height, channels };
}

function resizeNearest(image: PixelImage, width: number, height: number): PixelImage {
  const { data, channels } = image;
  const columns = nearestInputs(image.width, width);
  const resized = new Uint8Array(height * width * channels);
  nearestInputs(image.height, height).forEach((row, y) => {
    columns.forEach((column, x) => {
      const from = (row * image.width + column) * channels;
      for (let c = 0; c < channels; c++) resized[(y * width + x) * channels + c] = data[from + c]!;
    });
  });
  return { data: resized, width, height, channels };
}

/** The input under the centre of each output pixel. Steps are added up, not multiplied, so that rounding is Pillow's. */
function nearestInputs(inputs: number, outputs: number): number[] {
  const step = inputs / outputs;
  let at = step * 0.5;
  return Array.from({ length: outputs }, () => {
    const input = Math.trunc(at);
    at += step;
    return input;
  });
}
