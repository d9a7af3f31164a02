import { extname } from 'node:path';
import sharp from 'sharp';
import { expectWhole } from '../core/errors';
import { firstAlike } from '../data/alike';
import { HASH_WORDS, perceptualHash } from '../data/perceptualHash';
import { toPixels } from '../data/pixels';
import { ahead } from '../data/streams';
import type { Dataset, Example, PixelImage } from '../data/types';

export type PictureCheckOptions = {
  /** Pixels of the shorter side of the smallest picture; by default 32. */
  leastSide?: number;
  /** How many times longer the longer side may be; by default 10. */
  mostAspect?: number;
  /** Bits of 128 in which pictures that look the same may differ; `false` does not compare. By default 6. */
  duplicates?: number | false;
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
};

/** What is wrong with the picture of an example. */
export type PictureFinding = {
  id: string;
  kind: 'unreadable' | 'tiny' | 'narrow' | 'wrong extension' | 'duplicate';
  why: string;
};

/**
 * Opens every picture of a data set and says what is wrong: does not decode, is tiny or a narrow strip, has the extension of
 * another format, or looks like one before. Changes nothing: `withoutExamples` leaves out what findings name. Holds 16 bytes
 * per picture.
 */
export async function checkPictures(
  data: Dataset,
  { leastSide = 32, mostAspect = 10, duplicates = 6, onProgress, signal }: PictureCheckOptions = {},
): Promise<PictureFinding[]> {
  expectWhole('leastSide', leastSide, 1);
  const findings: PictureFinding[] = [];
  const hashes = new Uint32Array(data.size * HASH_WORDS);
  const checked = ahead(data, 8, async (example) => {
    const extension = await wrongExtension(example);
    try {
      const image = await toPixels(await example.image());
      const shape = oddShape(image, leastSide, mostAspect);
      const hash = duplicates === false ? undefined : perceptualHash(image);
      return { id: example.id, found: [...extension, ...shape], hash };
    } catch (error) {
      const why = (error as Error).message;
      return { id: example.id, found: [{ kind: 'unreadable' as const, why }], hash: undefined };
    }
  });
  let place = 0;
  for await (const { id, found, hash } of checked) {
    signal?.throwIfAborted();
    for (const each of found) findings.push({ id, ...each });
    if (hash) hashes.set(hash, place * HASH_WORDS);
    place++;
    onProgress?.(place, data.size);
  }
  if (duplicates === false) return findings;
  for (const { a, b } of firstAlike(hashes, duplicates))
    findings.push({ id: data.ids[b]!, kind: 'duplicate', why: `looks like ${data.ids[a]}` });
  return findings;
}

function oddShape({ width, height }: PixelImage, leastSide: number, mostAspect: number): Omit<PictureFinding, 'id'>[] {
  const [short, long] = [Math.min(width, height), Math.max(width, height)];
  if (short < leastSide) return [{ kind: 'tiny', why: `has ${width} x ${height} pixels` }];
  if (long > mostAspect * short) return [{ kind: 'narrow', why: `has ${width} x ${height} pixels` }];
  return [];
}

const extensionsOf: Record<string, readonly string[]> = {
  jpeg: ['.jpg', '.jpeg', '.jpe', '.jfif'],
  png: ['.png'],
  webp: ['.webp'],
  gif: ['.gif'],
  tiff: ['.tif', '.tiff'],
  heif: ['.avif', '.heic', '.heif'],
  svg: ['.svg'],
};
const known = new Set(Object.values(extensionsOf).flat());

/** Of pictures in files of their own; what does not decode is told elsewhere. */
async function wrongExtension({ metadata }: Example): Promise<Omit<PictureFinding, 'id'>[]> {
  const file = metadata?.file;
  if (typeof file !== 'string') return [];
  const extension = extname(file).toLowerCase();
  if (!known.has(extension)) return [];
  const format = (
    await sharp(file, { limitInputPixels: false })
      .metadata()
      .catch(() => undefined)
  )?.format;
  if (format === undefined || extensionsOf[format]?.includes(extension)) return [];
  return [{ kind: 'wrong extension', why: `is called ${extension} but is ${format}` }];
}
