import { type FileHandle, open } from 'node:fs/promises';
import { DataError } from '../core/errors';
import { joined } from '../data/layouts/lines';
import { readPaxHeader, readTarHeader, TAR_BLOCK, text } from '../data/layouts/tar';
import { fileBytes, isGzipped } from './fileBytes';

/** A member of a tar: its body lies at `offset`, which `read` reads. */
export type TarMember = { name: string; type: string; offset: number; size: number; read(): Promise<Uint8Array> };

const WINDOW = 2 ** 20;
/** The body of a member that is larger is not read: no text is so long, and no picture of a packed shard is worth the memory. */
export const MOST_BODY = 16 * 2 ** 20;

/** Bytes of a tar from `offset` on, which only grows from call to call; fewer than `length` at its end. */
type Read = (offset: number, length: number) => Promise<Uint8Array>;

/**
 * The members of a tar (ustar, GNU, pax), packed by gzip or not, in their order. A body is not read unless it is asked for, which has
 * to be before the next member is.
 *
 * @throws DataError where the tar is damaged or cut off
 */
export async function* tarMembers(path: string): AsyncGenerator<TarMember> {
  if (isGzipped(path)) {
    const chunks = fileBytes(path);
    try {
      yield* membersOf(path, streamed(chunks));
    } finally {
      await chunks.return(undefined);
    }
    return;
  }
  const handle = await open(path, 'r');
  try {
    yield* membersOf(path, windowed(handle), (await handle.stat()).size);
  } finally {
    await handle.close();
  }
}

async function* membersOf(path: string, read: Read, total = Number.POSITIVE_INFINITY): AsyncGenerator<TarMember> {
  let named: string | undefined;
  let sized: number | undefined;
  for (let at = 0; ; ) {
    const where = `${path}, byte ${at}`;
    const block = at < total ? await read(at, TAR_BLOCK) : new Uint8Array();
    if (block.length === 0) break;
    if (block.length < TAR_BLOCK) throw cutOff(path);
    const header = readTarHeader(block, where);
    if (!header) return;
    const offset = at + TAR_BLOCK;
    const size = sized ?? header.size;
    if (offset + size > total) throw cutOff(path);
    at = offset + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
    const body = async () => {
      if (size > MOST_BODY) throw new DataError(`${where} has a member of ${size} bytes, which cannot be meant.`);
      const bytes = await read(offset, size);
      if (bytes.length < size) throw cutOff(path);
      return bytes;
    };
    if (header.type === 'L') named = text(await body(), 0, size);
    else if (header.type === 'x') {
      const settings = readPaxHeader(await body());
      named = settings.get('path') ?? named;
      const pax = settings.get('size');
      sized = pax === undefined ? sized : Number(pax);
    } else if (header.type !== 'g') {
      yield { name: named ?? header.name, type: header.type, offset, size, read: async () => (await body()).slice() };
      named = undefined;
      sized = undefined;
    }
  }
  throw new DataError(`${path} is cut off: it has no end of a tar. Copy or download it again.`);
}

/** Reads small parts out of a window that moves along: members of a shard are many and small. */
function windowed(handle: FileHandle): Read {
  let [start, bytes] = [0, new Uint8Array()];
  return async (offset, length) => {
    if (offset < start || offset + length > start + bytes.length) {
      const buffer = new Uint8Array(Math.max(WINDOW, length));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
      [start, bytes] = [offset, buffer.subarray(0, bytesRead)];
    }
    return bytes.subarray(offset - start, offset - start + length);
  };
}

/** Reads parts of a stream as it passes by; what lies before a part is let go. */
function streamed(chunks: AsyncGenerator<Uint8Array>): Read {
  /** What has passed up to `end`, as far as it may still be asked for. */
  let end = 0;
  let bytes: Uint8Array = new Uint8Array();
  return async (offset, length) => {
    const parts = [bytes.subarray(Math.max(0, bytes.length - Math.max(0, end - offset)))];
    while (end < offset + length) {
      const { done, value } = await chunks.next();
      if (done) break;
      end += value.length;
      parts.push(value.subarray(Math.max(0, value.length - Math.max(0, end - offset))));
    }
    bytes = joined(parts);
    return bytes.subarray(0, length);
  };
}

const cutOff = (path: string) =>
  new DataError(`${path} is cut off in the middle of a member. Copy or download it again.`);
