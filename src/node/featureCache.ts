import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DataError } from '../core/errors';
import type { FeatureCache } from '../training/features';

/** Where features are kept unless told otherwise: the user's cache folder. */
export function defaultFeatureFolder(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'tfjs-captioning', 'features');
}

/** Bytes before the values of a record: length of the key, length of the values, start of the SHA-256 over both. */
const HEADER = 16;

/**
 * Features in one growing file. Each record carries a checksum: what a crash left half-written at the end is cut off
 * when the file is opened again, and features that were damaged are encoded anew. One process writes at a time.
 */
export async function featureCache(folder: string): Promise<FeatureCache & { close(): Promise<void> }> {
  const path = join(folder, 'features.bin');
  let file: FileHandle;
  try {
    await mkdir(folder, { recursive: true });
    file = await open(path, 'a+');
  } catch (error) {
    throw new DataError(
      `Features cannot be kept in ${folder}: ${(error as Error).message}. Name a folder that can be written to, with --features-path.`,
      { cause: error },
    );
  }
  const places = new Map<string, { at: number; bytes: number }>();
  let end = 0;
  const { size } = await file.stat();
  const header = new Uint8Array(HEADER + 256);
  while (end + HEADER <= size) {
    await file.read(header, 0, header.length, end);
    const view = new DataView(header.buffer);
    const [keyLength, bytes] = [view.getUint32(0, true), view.getUint32(4, true)];
    if (keyLength > 256 || end + HEADER + keyLength + bytes > size) break;
    places.set(new TextDecoder().decode(header.subarray(HEADER, HEADER + keyLength)), { at: end, bytes });
    end += HEADER + keyLength + bytes;
  }
  if (end < size) await file.truncate(end);

  const append = async (key: string, features: Uint16Array) => {
    const name = new TextEncoder().encode(key);
    const values = new Uint8Array(features.buffer, features.byteOffset, features.byteLength);
    const record = new Uint8Array(HEADER + name.length + values.length);
    const view = new DataView(record.buffer);
    view.setUint32(0, name.length, true);
    view.setUint32(4, values.length, true);
    record.set(checksum(name, values), 8);
    record.set(name, HEADER);
    record.set(values, HEADER + name.length);
    try {
      await file.writeFile(record);
    } catch (error) {
      await file.truncate(end).catch(() => {}); // half a record would hide those after it
      throw new DataError(
        `Features cannot be written to ${path}: ${(error as Error).message}. Make room, or name another folder with --features-path.`,
        { cause: error },
      );
    }
    places.set(key, { at: end, bytes: values.length });
    end += record.length;
  };
  let writing: Promise<void> = Promise.resolve(); // one record after the other, whoever asks

  return {
    async get(key) {
      const place = places.get(key);
      if (!place) return undefined;
      const name = new TextEncoder().encode(key);
      const record = new Uint8Array(HEADER + name.length + place.bytes);
      await file.read(record, 0, record.length, place.at);
      const values = record.slice(HEADER + name.length);
      if (!checksum(name, values).equals(record.subarray(8, HEADER))) {
        places.delete(key);
        return undefined;
      }
      return new Uint16Array(values.buffer);
    },
    put(key, features) {
      const done = writing.then(() => append(key, features));
      writing = done.catch(() => {});
      return done;
    },
    close: () => file.close(),
  };
}

function checksum(name: Uint8Array, values: Uint8Array): Buffer {
  return createHash('sha256').update(name).update(values).digest().subarray(0, 8);
}
