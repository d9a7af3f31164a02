import type { PixelImage } from '../types';
import { blend, mapValues } from './colour';

const table = (of: (value: number) => number) => Uint8Array.from({ length: 256 }, (_, value) => of(value));

/** Keeps the upper bits of every value. @see PIL, `ImageOps.posterize` */
export const posterize = (image: PixelImage, bits: number) =>
  mapValues(image, [table((value) => value & ~(2 ** (8 - bits) - 1))]);

/** Inverts all values from `threshold` on. @see PIL, `ImageOps.solarize` */
export const solarize = (image: PixelImage, threshold: number) =>
  mapValues(image, [table((value) => (value < threshold ? value : 255 - value))]);

/** Stretches each channel to reach from 0 to 255. @see PIL, `ImageOps.autocontrast` */
export function autoContrast(image: PixelImage): PixelImage {
  const tables = histograms(image).map((histogram) => {
    const least = histogram.findIndex((count) => count > 0);
    const most = histogram.findLastIndex((count) => count > 0);
    if (most <= least) return table((value) => value);
    const scale = 255 / (most - least);
    return table((value) => Math.max(0, Math.min(255, Math.trunc(value * scale - least * scale))));
  });
  return mapValues(image, tables);
}

/** Makes all values of a channel about equally frequent. @see PIL, `ImageOps.equalize` */
export function equalize(image: PixelImage): PixelImage {
  const tables = histograms(image).map((histogram) => {
    const held = histogram.filter((count) => count > 0);
    const pixels = held.reduce((sum, count) => sum + count, 0);
    const step = Math.floor((pixels - held.at(-1)!) / 255);
    if (held.length <= 1 || step === 0) return table((value) => value);
    let below = Math.floor(step / 2);
    return table((value) => {
      const place = Math.min(255, Math.floor(below / step));
      below += histogram[value]!;
      return place;
    });
  });
  return mapValues(image, tables);
}

/** 0 is smoothed, 1 the picture, 2 sharpened; the outermost pixels stay. @see PIL, `ImageEnhance.Sharpness` */
export function adjustSharpness(image: PixelImage, factor: number): PixelImage {
  const { data, width, height } = image;
  const sharpened = Uint8Array.from(data);
  for (let y = 1; y < height - 1; y++)
    for (let x = 1; x < width - 1; x++)
      for (let c = 0; c < 3; c++) {
        const at = 3 * (y * width + x) + c;
        let sum = 4 * data[at]!; // the middle counts five times
        for (let row = -1; row <= 1; row++)
          for (let column = -1; column <= 1; column++) sum += data[at + 3 * (row * width + column)]!;
        sharpened[at] = blend(Math.round(sum / 13), data[at]!, factor);
      }
  return { data: sharpened, width, height, channels: 3 };
}

/** How often each value occurs in red, green and blue. */
function histograms({ data }: PixelImage): number[][] {
  const counts = [0, 1, 2].map(() => new Array<number>(256).fill(0));
  for (let i = 0; i < data.length; i++) counts[i % 3]![data[i]!]!++;
  return counts;
}
