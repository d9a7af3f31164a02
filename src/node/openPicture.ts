import { stat } from 'node:fs/promises';
import sharp from 'sharp';
import { DataError } from '../core/errors';
import { isThere, type PictureSource } from '../data/layouts/entry';
import type { OpenImage, PixelImage } from '../data/types';
import { readPart } from './fileBytes';
import { readImage } from './image';
import { openParquet, type ParquetFile, PictureTurns } from './parquetFile';
import type { PictureThreads } from './pictureThreads';

/** Larger pictures are refused before they are unpacked: a PNG of some kilobytes may unpack to gigabytes. */
export const MOST_PIXELS = 100e6;
/** Files that are larger are no pictures. */
export const MOST_BYTES = 256 * 2 ** 20;

/** Reads pictures wherever a layout has them; Parquet files are opened once. */
export class PictureOpener {
  private readonly parquet = new Map<string, Promise<ParquetFile | { problem: string }>>();
  private readonly turns = new PictureTurns();

  /** @param threads - where pictures are read; by default here */
  constructor(private readonly threads?: PictureThreads) {}

  /** `image` of an example. Rows of Parquet are taken out here, where their file is open, and decoded in the threads. */
  image(source: PictureSource | undefined, id: string): OpenImage {
    if (!this.threads) return () => this.open(source, id);
    const isOpenedThere = source !== undefined && isThere(source) && !('row' in source);
    return this.threads.image(isOpenedThere ? () => source : async () => ({ bytes: await this.bytes(source, id) }), id);
  }

  /**
   * @param id - of the example, for messages
   * @throws DataError where the picture is not there, is too large, or does not decode
   */
  async open(source: PictureSource | undefined, id: string): Promise<PixelImage> {
    if (source && 'file' in source && !('offset' in source) && !('row' in source)) {
      await expectSane(source.file, (await sizeOf(source.file)) ?? 0, source.file);
      return readImage(source.file);
    }
    return decodePicture(await this.bytes(source, id), id);
  }

  /** The bytes of the file that a picture is. */
  async bytes(source: PictureSource | undefined, id: string): Promise<Uint8Array> {
    if (!source)
      throw new DataError(
        `The picture ${id} is not in the data folder. Load with missingPictures: 'drop' to leave it out.`,
      );
    if (!isThere(source))
      throw new DataError(
        `The picture ${source.url} was not downloaded. Run: npx tfjs-captioning data download, or load with missingPictures: 'drop'.`,
      );
    if ('base64' in source) return fromBase64(source.base64, id);
    if ('row' in source) {
      const file = this.parquet.get(source.file) ?? openParquet(source.file, this.turns);
      this.parquet.set(source.file, file);
      const opened = await file;
      if ('problem' in opened) throw new DataError(`${source.file} ${opened.problem}.`);
      return opened.bytes(source.row, source.column);
    }
    if (!('offset' in source)) return readPart(source.file, 0, (await sizeOf(source.file)) ?? 0);
    if (source.length > MOST_BYTES) throw new DataError(`${id} has ${source.length} bytes, which is no picture.`);
    const bytes = await readPart(source.file, source.offset, source.length);
    return 'encoding' in source ? fromBase64(Buffer.from(bytes).toString('latin1'), id) : bytes;
  }
}

/** The picture that the bytes of a file are; an error names it. */
export async function decodePicture(bytes: Uint8Array, name: string): Promise<PixelImage> {
  await expectSane(bytes, bytes.length, name);
  return readImage(bytes).catch((cause: Error) => {
    throw new DataError(`${name}: ${cause.message}`, { cause });
  });
}

function fromBase64(text: string, id: string): Uint8Array {
  if (!/^[\w+/\s-]+=*\s*$/.test(text)) throw new DataError(`The picture ${id} is no base64. Write the row again.`);
  return new Uint8Array(Buffer.from(text, 'base64'));
}

/** Bytes of a file; undefined where there is none, which reading it says better. */
async function sizeOf(path: string): Promise<number | undefined> {
  const status = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ELOOP')
      throw new DataError(`${path} cannot be read: its links lead in a circle. Replace them by the picture.`);
    return undefined;
  });
  // A pipe or a device would be waited for, perhaps for ever.
  if (status && !status.isFile() && !status.isDirectory())
    throw new DataError(`${path} is a pipe or a device, not a picture.`);
  return status?.size;
}

async function expectSane(picture: string | Uint8Array, bytes: number, name: string): Promise<void> {
  if (bytes > MOST_BYTES)
    throw new DataError(
      `${name} has ${Math.round(bytes / 2 ** 20)} MiB, which is too large for a picture. Leave it out, or make it smaller.`,
    );
  // What does not even have a header is explained by reading it.
  const header = await sharp(picture, { limitInputPixels: false })
    .metadata()
    .catch(() => undefined);
  const { width = 0, height = 0 } = header ?? {};
  if (width * height > MOST_PIXELS)
    throw new DataError(
      `${name} has ${width} x ${height} pixels, which would take ${Math.ceil((width * height * 3) / 2 ** 20)} MiB of memory. Leave it out, or make it smaller.`,
    );
}
