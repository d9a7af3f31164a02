import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../core/errors';

const PICTURE = /\.(jpe?g|png|webp|gif|avif|tiff?|bmp)$/i;

/** What was given as pictures, in order: files and web addresses as they are, folders as the pictures in them. */
export async function listPictures(given: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of given) {
    if (/^https?:\/\//i.test(path)) {
      found.push(path);
      continue;
    }
    const status = await stat(path).catch(() => undefined);
    if (!status) throw new DataError(`There is no picture or folder at ${path}.`);
    if (!status.isDirectory()) {
      found.push(path);
      continue;
    }
    const pictures = (await readdir(path)).filter((name) => PICTURE.test(name)).sort();
    if (pictures.length === 0)
      throw new DataError(`The folder ${path} holds no pictures (jpg, png, webp, gif, avif, tiff).`);
    found.push(...pictures.map((name) => join(path, name)));
  }
  return found;
}
