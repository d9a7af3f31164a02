import type { PixelImage } from '../../src/data/types';

/** The test picture of scripts/make_picture_goldens.py: smooth in red, noise in green, edges in blue. */
export function pattern(width: number, height: number): PixelImage {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      data.set(
        [
          Math.floor((255 * (x + y)) / Math.max(width + height - 2, 1)),
          (x * 31 + y * 57 + x * y * 7) % 256,
          255 * ((Math.floor(x / 3) + Math.floor(y / 2)) % 2),
        ],
        (y * width + x) * 3,
      );
  return { data, width, height, channels: 3 };
}
