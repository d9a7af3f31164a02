import { expectWhole } from '../core/errors';
import type { PixelImage } from './types';

/** Fractional bits of the fixed-point weights: 32 less 8 for the pixel and 2 for the sum, as in Pillow. */
const PRECISION = 22;

/** For each output pixel: where its inputs start, and their fixed-point weights. */
type Taps = { start: number; weights: Int32Array }[];

/**
 * Bilinear resizing with antialiasing, bit for bit what Pillow's `Image.resize((width, height), BILINEAR)` gives, on
 * which published preprocessing rests. Both sides are resized without cropping.
 *
 * One axis at a time, rounded to 8 bits in between: columns first, but rows first where the height loses more than twice
 * the pixels that the width does (as Pillow does since version 13; before, columns always came first). An output pixel is the mean of the inputs under a
 * triangle around its centre; when shrinking, the triangle is as much wider as the picture gets smaller. Weights sum
 * to 1, are rounded to 22 fractional bits and applied in whole numbers. An axis that keeps its size is not touched.
 *
 * @see Pillow, src/libImaging/Resample.c: `precompute_coeffs` and `ImagingResample{Horizontal,Vertical}_8bpc`
 */
export function resizeBilinear(image: PixelImage, width: number, height: number): PixelImage {
  expectWhole('width', width, 1);
  expectWhole('height', height, 1);
  const columns = (picture: PixelImage) => (width === picture.width ? picture : resizeColumns(picture, width));
  const rows = (picture: PixelImage) => (height === picture.height ? picture : resizeRows(picture, height));
  const rowsFirst = image.height - height > 2 * Math.max(0, image.width - width);
  return rowsFirst ? columns(rows(image)) : rows(columns(image));
}

function triangleTaps(inputs: number, outputs: number): Taps {
  const scale = inputs / outputs;
  const radius = Math.max(scale, 1);
  // Multiplied, not divided, below: the quotient's last bit would differ from Pillow's.
  const perPixel = 1 / radius;
  return Array.from({ length: outputs }, (_, output) => {
    const centre = (output + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - radius + 0.5));
    const end = Math.min(inputs, Math.trunc(centre + radius + 0.5));
    const weights = Float64Array.from({ length: end - start }, (_, tap) =>
      Math.max(0, 1 - Math.abs((start + tap - centre + 0.5) * perPixel)),
    );
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { start, weights: Int32Array.from(weights, (weight) => Math.trunc(0.5 + (weight / sum) * 2 ** PRECISION)) };
  });
}

/** The weighted sum of pixels that lie `stride` values apart, rounded to 8 bits. */
function weightedPixel(data: PixelImage['data'], first: number, stride: number, weights: Int32Array): number {
  let sum = 2 ** (PRECISION - 1);
  for (let tap = 0; tap < weights.length; tap++) sum += data[first + tap * stride]! * weights[tap]!;
  return Math.min(255, sum >> PRECISION);
}

function resizeColumns({ data, width: inputs, height, channels }: PixelImage, width: number): PixelImage {
  const resized = new Uint8Array(height * width * channels);
  triangleTaps(inputs, width).forEach(({ start, weights }, x) => {
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

function resizeRows({ data, width, height: inputs, channels }: PixelImage, height: number): PixelImage {
  const row = width * channels;
  const resized = new Uint8Array(height * row);
  triangleTaps(inputs, height).forEach(({ start, weights }, y) => {
    for (let i = 0; i < row; i++) resized[y * row + i] = weightedPixel(data, start * row + i, row, weights);
  });
  return { data: resized, width, height, channels };
}
