import { toRGB } from './pixels';
import type { PixelImage } from './types';

/** 128 bits that look alike for pictures that look alike, as four 32-bit numbers. */
export type PerceptualHash = Uint32Array;

export const HASH_WORDS = 4;
const SIDE = 9;

/**
 * Whether each part of a small grey version of the picture is darker than its right neighbour (64 bits) and than the one below (64):
 * it survives another size, another format, compression, and changes of brightness or contrast, but not cropping or turning.
 *
 * @see Krawetz 2013, "Kind of Like That" (dHash), https://www.hackerfactor.com/blog/?/archives/529-Kind-of-Like-That.html; there
 * only the neighbours in a row count
 */
export function perceptualHash(image: PixelImage): PerceptualHash {
  const grey = shrunk(toRGB(image));
  const hash = new Uint32Array(HASH_WORDS);
  for (let row = 0; row < 8; row++)
    for (let column = 0; column < 8; column++) {
      const bit = row * 8 + column;
      const here = grey[row * SIDE + column]!;
      if (here < grey[row * SIDE + column + 1]!) hash[bit >> 5]! |= 1 << (bit & 31);
      if (here < grey[(row + 1) * SIDE + column]!) hash[2 + (bit >> 5)]! |= 1 << (bit & 31);
    }
  return hash;
}

/** In how many of the 128 bits two hashes differ. */
export function hashDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let distance = 0;
  for (let word = 0; word < HASH_WORDS; word++) distance += bitsIn(a[word]! ^ b[word]!);
  return distance;
}

/** How many bits of a 32-bit number are 1. */
export function bitsIn(word: number): number {
  let v = word - ((word >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Mean brightness of 9 x 9 parts, each pixel counting in one of them. */
function shrunk({ data, width, height }: PixelImage): Float64Array {
  const sums = new Float64Array(SIDE * SIDE);
  const counts = new Float64Array(SIDE * SIDE);
  // A side of fewer pixels than parts gives parts the pixel that lies there.
  const places = (length: number) => Math.max(length, SIDE);
  for (let y = 0; y < places(height); y++) {
    const row = Math.floor((y * SIDE) / places(height));
    const from = Math.floor((y * height) / places(height)) * width;
    for (let x = 0; x < places(width); x++) {
      const part = row * SIDE + Math.floor((x * SIDE) / places(width));
      const at = 3 * (from + Math.floor((x * width) / places(width)));
      sums[part]! += 299 * data[at]! + 587 * data[at + 1]! + 114 * data[at + 2]!;
      counts[part]!++;
    }
  }
  // Compared as whole numbers, so that rounding does not decide between neighbours of one brightness.
  return sums.map((sum, part) => Math.round(sum / counts[part]! / 1000));
}
