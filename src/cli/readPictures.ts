import type { PixelImage } from '../data/types';
import { readImage } from '../node/image';

/** A picture by its path, or why it cannot be read. */
export type Read = { path: string } & ({ picture: PixelImage } | { error: string });

export async function readOrExplain(path: string): Promise<Read> {
  try {
    return { path, picture: await readImage(path) };
  } catch (error) {
    return { path, error: (error as Error).message };
  }
}
