import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { DataError } from '../core/errors';
import { toRGB } from '../data/pixels';
import type { PixelImage } from '../data/types';

export type ReadImageOptions = {
  signal?: AbortSignal;
};

/**
 * Reads a picture as 8-bit RGB: upright by its EXIF orientation, transparent parts on white; grey, CMYK, 16-bit and
 * palette pictures are converted. Of an animation the first frame.
 *
 * @param source - a path, the address of a picture (`https:`, `http:`, `data:`, `file:`), or the bytes of a file
 * @throws DataError where the picture cannot be read or does not decode, with its name and what to do
 */
export async function readImage(
  source: string | URL | Uint8Array,
  { signal }: ReadImageOptions = {},
): Promise<PixelImage> {
  const name = nameOf(source);
  const bytes = source instanceof Uint8Array ? source : await readBytes(source, name, signal);
  if (bytes.length === 0) throw new DataError(`${name} is empty. Copy or download it again.`);
  try {
    // A picture that is cut short is an error; what a viewer would show all the same, such as stray bytes, is not.
    const { data, info } = await sharp(bytes, { failOn: 'error' })
      .autoOrient()
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    return toRGB({ data, width: info.width, height: info.height, channels: info.channels as PixelImage['channels'] });
  } catch (error) {
    throw new DataError(
      `${name} does not decode as a picture: ${firstLine(error)}. ` +
        'Use a whole JPEG, PNG, WebP, AVIF, GIF, TIFF or SVG file; convert other formats, or leave this one out.',
      { cause: error },
    );
  }
}

async function readBytes(source: string | URL, name: string, signal?: AbortSignal): Promise<Uint8Array> {
  if (/^(?:https?|data):/i.test(`${source}`)) return download(`${source}`, name, signal);
  const path = typeof source === 'string' && source.startsWith('file:') ? new URL(source) : source;
  try {
    return await readFile(path, { signal });
  } catch (error) {
    signal?.throwIfAborted();
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new DataError(`There is no picture at ${name}. Check the path.`, { cause: error });
    if (code === 'EISDIR') throw new DataError(`${name} is a folder. Pass a picture file.`, { cause: error });
    throw new DataError(`${name} cannot be read: ${firstLine(error)}.`, { cause: error });
  }
}

async function download(url: string, name: string, signal?: AbortSignal): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(url, signal ? { signal } : {});
  } catch (error) {
    signal?.throwIfAborted();
    const reason = (error as Error).cause ?? error;
    throw new DataError(`${name} cannot be downloaded: ${firstLine(reason)}. Check the address and the network.`, {
      cause: error,
    });
  }
  if (!response.ok)
    throw new DataError(
      `${name} cannot be downloaded: the server answers ${response.status} ${response.statusText}. Check the address.`,
    );
  return new Uint8Array(await response.arrayBuffer());
}

function nameOf(source: string | URL | Uint8Array): string {
  if (source instanceof Uint8Array) return `The picture of ${source.length} bytes`;
  const text = `${source}`;
  return text.length > 200 ? `${text.slice(0, 60)}...` : text;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : `${error}`).split('\n', 1)[0]!.replace(/\.$/, '');
}
