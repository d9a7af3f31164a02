import { DataError } from '../core/errors';
import { sizeOf } from './tensorSource';
import type { Store } from './types';

/** A file of an archive: `size` bytes behind a header, those of the file itself where it is not compressed. */
export type ZipEntry = { name: string; size: number; header: number; compressed: boolean };

const SIGNATURE = { end: 0x06054b50, end64: 0x06064b50, locator64: 0x07064b50, entry: 0x02014b50, file: 0x04034b50 };
/** Bytes of the records, without what varies in length. */
const LENGTH = { end: 22, locator64: 20, end64: 56, entry: 46, file: 30 };
const MAX_DIRECTORY = 64 * 2 ** 20;

/**
 * The files of a zip archive in a store, from its directory, which is checked against the size of the archive.
 *
 * @throws DataError where the archive is cut, damaged, encrypted, or its files overlap
 * @see APPNOTE.TXT, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3.7, 4.3.12 to 4.3.16
 */
export async function readZipDirectory(store: Store, file: string): Promise<Map<string, ZipEntry>> {
  const size = await sizeOf(store, file);
  const { start, end, count } = await locateDirectory(store, file, size);
  const bytes = await store.read(file, { start, end });
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    const { entry, next } = directoryEntry(bytes, at, start);
    if (entries.has(entry.name)) throw damaged(`it holds '${entry.name}' twice`);
    entries.set(entry.name, entry);
    at = next;
  }
  let free = 0;
  for (const { name, header, size: length } of [...entries.values()].sort((a, b) => a.header - b.header)) {
    if (header < free) throw damaged(`'${name}' overlaps the file before it`);
    free = header + LENGTH.file + length;
    if (free > start) throw damaged(`'${name}' reaches beyond the files`);
  }
  return entries;
}

/**
 * Where the bytes of a file lie in the archive.
 *
 * @throws DataError where it is compressed: checkpoints are not, and a small file can claim to unpack to any size
 */
export async function zipRange(store: Store, file: string, { name, header, size, compressed }: ZipEntry) {
  if (compressed)
    throw damaged(`'${name}' is compressed, which no checkpoint is`, 'Save it again without compression.');
  const bytes = await store.read(file, { start: header, end: header + LENGTH.file });
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== SIGNATURE.file) throw damaged(`'${name}' does not lie where the directory says`);
  const start = header + LENGTH.file + view.getUint16(26, true) + view.getUint16(28, true);
  return { start, end: start + size };
}

async function locateDirectory(store: Store, file: string, size: number) {
  const tail = Math.max(0, size - LENGTH.end - 0xffff);
  const bytes = await store.read(file, { start: tail, end: size });
  const view = viewOf(bytes);
  let at = bytes.length - LENGTH.end;
  while (at >= 0 && view.getUint32(at, true) !== SIGNATURE.end) at--;
  if (at < 0) throw damaged('it has no directory at its end', 'Was it cut short?');
  let [count, length, start] = [
    view.getUint16(at + 10, true),
    view.getUint32(at + 12, true),
    view.getUint32(at + 16, true),
  ];
  const locator = at - LENGTH.locator64;
  if (locator >= 0 && view.getUint32(locator, true) === SIGNATURE.locator64) {
    const record = whole(view, locator + 8);
    if (record > size - LENGTH.end64)
      throw damaged('the place of its directory lies beyond its end', 'Was it cut short?');
    const end64 = viewOf(await store.read(file, { start: record, end: record + LENGTH.end64 }));
    if (end64.getUint32(0, true) !== SIGNATURE.end64) throw damaged('its directory is not where it says');
    [count, length, start] = [whole(end64, 32), whole(end64, 40), whole(end64, 48)];
  }
  if (start + length > size)
    throw damaged(`its directory lies at bytes ${start} to ${start + length} of ${size}`, 'Was it cut short?');
  if (length > MAX_DIRECTORY || count * LENGTH.entry > length)
    throw damaged(`its directory of ${length} bytes cannot be one of ${count} files`);
  return { start, end: start + length, count };
}

function directoryEntry(bytes: Uint8Array, at: number, limit: number): { entry: ZipEntry; next: number } {
  const view = viewOf(bytes);
  if (at + LENGTH.entry > bytes.length || view.getUint32(at, true) !== SIGNATURE.entry)
    throw damaged('its directory ends too early');
  const [flags, method] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
  const nameEnd = at + LENGTH.entry + view.getUint16(at + 28, true);
  const extraEnd = nameEnd + view.getUint16(at + 30, true);
  const next = extraEnd + view.getUint16(at + 32, true);
  if (next > bytes.length) throw damaged('its directory ends too early');
  const name = new TextDecoder().decode(bytes.subarray(at + LENGTH.entry, nameEnd));
  if (flags & 1) throw damaged(`'${name}' is encrypted`, 'Save it without a password.');
  let [packed, size, header] = [
    view.getUint32(at + 20, true),
    view.getUint32(at + 24, true),
    view.getUint32(at + 42, true),
  ];
  const wide = wideNumbers(view, nameEnd, extraEnd);
  if (size === 0xffffffff) size = wide.shift() ?? size;
  if (packed === 0xffffffff) packed = wide.shift() ?? packed;
  if (header === 0xffffffff) header = wide.shift() ?? header;
  if (header + LENGTH.file + packed > limit) throw damaged(`'${name}' claims ${packed} bytes, more than there are`);
  return { entry: { name, size: packed, header, compressed: method !== 0 || packed !== size }, next };
}

/** The 64-bit numbers of an entry whose own fields are too narrow: size, packed size, place, those that are needed. */
function wideNumbers(view: DataView, start: number, end: number): number[] {
  for (let at = start; at + 4 <= end; ) {
    const [id, length] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    if (id === 1 && at + 4 + length <= end)
      return Array.from({ length: Math.floor(length / 8) }, (_, i) => whole(view, at + 4 + i * 8));
    at += 4 + length;
  }
  return [];
}

/** A 64-bit number; what is too large to be a place in a file comes back as one beyond every file. */
function whole(view: DataView, at: number): number {
  const value = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
  return Number.isSafeInteger(value) ? value : Number.MAX_SAFE_INTEGER;
}

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array) => new DataView(buffer, byteOffset, byteLength);

const damaged = (why: string, remedy = 'Fetch or write the file again.') =>
  new DataError(`This is not a whole zip archive: ${why}. ${remedy}`);
