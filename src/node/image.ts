import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { DataError } from '../core/errors';
import { toRGB } from '../data/pixels';
import type { PixelImage } from '../data/types';

export type ReadImageOptions = {
  /** Whether to turn the picture as its EXIF data says, or to take the pixels as they are stored; by default `exif`. */
  orientation?: 'exif' | 'stored';
  signal?: AbortSignal;
};

/**
 * Reads a picture as 8-bit RGB, or RGBA where parts of it are transparent: what becomes of those is up to the encoder's
 * preprocessing. It comes upright by its EXIF orientation; grey, CMYK, 16-bit and palette pictures are converted as PIL
 * converts them (colour profiles are not applied, and CMYK is taken for plain ink on white), but that of 16 bits the upper
 * eight are taken for grey too, which PIL cuts off at white. Of an animation the first frame.
 *
 * @param source - a path, the address of a picture (`https:`, `http:`, `data:`, `file:`), or the bytes of a file
 * @throws DataError where the picture cannot be read or does not decode, with its name and what to do
 */
export async function readImage(
  source: string | URL | Uint8Array,
  { orientation = 'exif', signal }: ReadImageOptions = {},
): Promise<PixelImage> {
  const name = nameOf(source);
  const bytes = source instanceof Uint8Array ? source : await readBytes(source, name, signal);
  if (bytes.length === 0) throw new DataError(`${name} is empty. Copy or download it again.`);
  try {
    return await decode(bytes, orientation);
  } catch (error) {
    throw new DataError(
      `${name} does not decode as a picture: ${firstLine(error)}. ` +
        'Use a whole JPEG, PNG, WebP, AVIF, GIF, TIFF or SVG file; convert other formats, or leave this one out.',
      { cause: error },
    );
  }
}

async function decode(bytes: Uint8Array, orientation: 'exif' | 'stored'): Promise<PixelImage> {
  // A picture that is cut short is an error; what a viewer would show all the same, such as stray bytes, is not.
  const picture = sharp(bytes, { failOn: 'error', ignoreIcc: true });
  const upright = orientation === 'exif' ? picture.autoOrient() : picture;
  const ink = (await picture.metadata()).space === 'cmyk';
  const { data, info } = await (ink ? upright.pipelineColourspace('cmyk').toColourspace('cmyk') : upright)
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (ink) return { data: withoutInk(data, channels), width, height, channels: 3 };
  if (channels === 2 || channels === 4) return withAlpha(data, width, height, channels);
  return toRGB({ data, width, height, channels: channels as PixelImage['channels'] });
}

/** RGBA, or RGB where nothing is transparent, of grey or colour with alpha. */
function withAlpha(data: Uint8Array, width: number, height: number, channels: 2 | 4): PixelImage {
  const colours = channels - 1;
  let opaque = true;
  for (let at = colours; at < data.length; at += channels) opaque &&= data[at] === 255;
  const kept = opaque ? 3 : 4;
  const pixels = new Uint8Array(width * height * kept);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const from = pixel * channels;
    for (let c = 0; c < 3; c++) pixels[pixel * kept + c] = data[from + (colours === 1 ? 0 : c)]!;
    if (!opaque) pixels[pixel * kept + 3] = data[from + colours]!;
  }
  return { data: pixels, width, height, channels: kept };
}

/** CMYK, 255 being full ink, to RGB: black takes its share of the light, the colours theirs of what is left. */
function withoutInk(data: Uint8Array, channels: number): Uint8Array {
  const pixels = new Uint8Array((data.length / channels) * 3);
  for (let pixel = 0; pixel < pixels.length / 3; pixel++) {
    const light = 255 - data[pixel * channels + 3]!;
    for (let c = 0; c < 3; c++) {
      const product = data[pixel * channels + c]! * light + 128;
      pixels[pixel * 3 + c] = light - (((product >> 8) + product) >> 8); // divided by 255 and rounded
    }
  }
  return pixels;
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
