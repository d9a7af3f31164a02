import { createReadStream, type ReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { DataError } from '../core/errors';
import { type Line, linesOf } from '../data/layouts/lines';

const CHUNK = 256 * 1024;

/** Whether a file is packed by gzip, by its name. */
export const isGzipped = (path: string): boolean => /\.t?gz$/i.test(path);

/**
 * The bytes of a file, chunk by chunk; those of a `.gz` or `.tgz` unpacked.
 *
 * @throws DataError where the file cannot be read, or is no whole gzip
 */
export async function* fileBytes(path: string): AsyncGenerator<Uint8Array> {
  const status = await stat(path).catch((cause) => {
    throw explained(cause, path);
  });
  // A pipe or a device would be waited for, perhaps for ever.
  if (!status.isFile()) throw new DataError(`${path} is no file${status.isDirectory() ? ', but a folder' : ''}.`);
  const stream = createReadStream(path, { highWaterMark: CHUNK });
  try {
    if (isGzipped(path)) yield* unpacked(stream, path);
    else for await (const chunk of stream) yield chunk as Uint8Array;
  } catch (cause) {
    throw explained(cause, path);
  } finally {
    stream.destroy();
  }
}

async function* unpacked(stream: ReadStream, path: string): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: CHUNK });
  stream.on('error', (error) => gunzip.destroy(error));
  try {
    for await (const chunk of stream.pipe(gunzip)) yield chunk as Uint8Array;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'Z_BUF_ERROR')
      throw new DataError(`${path} is cut off: its gzip has no end. Copy or download it again.`, { cause });
    if (code?.startsWith('Z_'))
      throw new DataError(
        `${path} is no gzip, or is damaged: ${(cause as Error).message}. Copy or download it again.`,
        {
          cause,
        },
      );
    throw cause;
  } finally {
    gunzip.destroy();
  }
}

/** The lines of a text file in UTF-8, many at a time. */
export function fileLines(path: string): AsyncGenerator<Line[]> {
  return linesOf(fileBytes(path), path);
}

/** The first line of a text file, as far as it lies in its first 256 KiB; '' where it is no text in UTF-8. */
export async function firstLine(path: string): Promise<string> {
  const chunks = fileBytes(path);
  try {
    const first = await chunks.next();
    const bytes = first.done ? new Uint8Array() : first.value;
    const end = bytes.indexOf(0x0a);
    const text = new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end)); // drops a byte order mark
    return text.replace(/\r$/, '');
  } finally {
    await chunks.return(undefined);
  }
}

/**
 * A part of a file.
 *
 * @throws DataError where the file is shorter than that
 */
export async function readPart(path: string, offset: number, length: number): Promise<Uint8Array> {
  const handle = await open(path, 'r').catch((cause) => {
    throw explained(cause, path);
  });
  try {
    const bytes = new Uint8Array(length);
    for (let read = 0; read < length; ) {
      const { bytesRead } = await handle.read(bytes, read, length - read, offset + read);
      if (bytesRead === 0)
        throw new DataError(`${path} ends before byte ${offset + length}: it was changed since it was opened.`);
      read += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}

/** What the system says about a file that cannot be read, as an error with a name and a remedy. */
function explained(cause: unknown, path: string): unknown {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (cause instanceof DataError || code === undefined) return cause;
  const reasons: Record<string, string> = {
    ENOENT: 'is not there. Check the path.',
    EISDIR: 'is a folder but should be a file.',
    EACCES: 'cannot be read: there is no permission.',
    ELOOP: 'cannot be read: its links lead in a circle. Replace them by the file.',
  };
  return new DataError(`${path} ${reasons[code] ?? `cannot be read: ${message}.`}`, { cause });
}
