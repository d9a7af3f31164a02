import { type FileHandle, open } from 'node:fs/promises';
import { DataError } from '../core/errors';
import { readPaxHeader, readTarHeader, TAR_BLOCK, text } from '../data/layouts/tar';

/** A member of a tar: its body lies at `offset`, which `read` reads. */
export type TarMember = { name: string; type: string; offset: number; size: number; read(): Promise<Uint8Array> };

const WINDOW = 2 ** 20;
/** A long name or text that is longer than this cannot be meant. */
const MOST_BODY = 16 * 2 ** 20;

/**
 * The members of a tar (ustar, GNU, pax) in their order, without reading their bodies.
 *
 * @throws DataError where the tar is damaged or cut off
 */
export async function* tarMembers(path: string): AsyncGenerator<TarMember> {
  const handle = await open(path, 'r');
  try {
    const { size: total } = await handle.stat();
    const read = windowed(handle);
    let named: string | undefined;
    let sized: number | undefined;
    for (let at = 0; at < total; ) {
      const where = `${path}, byte ${at}`;
      if (at + TAR_BLOCK > total) throw cutOff(path);
      const header = readTarHeader(await read(at, TAR_BLOCK), where);
      if (!header) return;
      const offset = at + TAR_BLOCK;
      const size = sized ?? header.size;
      if (offset + size > total) throw cutOff(path);
      at = offset + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
      const body = () => {
        if (size > MOST_BODY) throw new DataError(`${where} has a text of ${size} bytes, which cannot be meant.`);
        return read(offset, size);
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
  } finally {
    await handle.close();
  }
}

/** Reads small parts out of a window that moves along: members of a shard are many and small. */
function windowed(handle: FileHandle): (offset: number, length: number) => Promise<Uint8Array> {
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

const cutOff = (path: string) =>
  new DataError(`${path} is cut off in the middle of a member. Copy or download it again.`);
