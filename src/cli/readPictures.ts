import type { PixelImage } from '../data/types';
import { readImage } from '../node/image';

/** A picture by its path, or why it cannot be read. */
export type Read = { path: string } & ({ picture: PixelImage } | { error: string });

/** @param read - in its place, `readImage` reads the picture */
export async function readOrExplain(
  path: string,
  read: (path: string) => Promise<PixelImage> = readImage,
): Promise<Read> {
  try {
    return { path, picture: await read(path) };
  } catch (error) {
    return { path, error: (error as Error).message };
  }
}
