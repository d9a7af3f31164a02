import { DataError } from '../../core/errors';

/** What one 512-byte header of a tar says. */
export type TarHeader = {
  name: string;
  /** Bytes of the body, which is padded to a multiple of 512. */
  size: number;
  /** `0` is a file, `5` a folder, `L` and `x` tell the next member's long name; others are links and devices. */
  type: string;
};

export const TAR_BLOCK = 512;

/**
 * Reads a header of a tar (ustar, GNU or pax); undefined for the block of zeros at the end.
 *
 * @param where - the file, and the place in it, for messages
 * @throws DataError where the checksum is wrong: the tar is damaged, cut, or packed
 * @see IEEE Std 1003.1-2017, pax, "ustar Interchange Format"
 */
export function readTarHeader(block: Uint8Array, where: string): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  const sum = block.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
  if (octal(block, 148, 8) !== sum)
    throw new DataError(
      `${where} is no header of a tar: the file is damaged or packed. Unpack a .tar.gz, or copy it again.`,
    );
  const prefix = text(block, 257, 5) === 'ustar' && block[262] === 0 ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  const size = block[124]! & 0x80 ? binary(block, 124) : octal(block, 124, 12);
  if (!Number.isSafeInteger(size) || size < 0)
    throw new DataError(`${where} has a member of impossible size. Copy it again.`);
  return { name: prefix === '' ? name : `${prefix}/${name}`, size, type: String.fromCharCode(block[156]! || 48) };
}

/** The settings of a pax header, such as `path`: `length key=value` in lines, the length counting the whole line in bytes. */
export function readPaxHeader(bytes: Uint8Array): Map<string, string> {
  const settings = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const length = Number.parseInt(text(bytes, at, 20), 10);
    if (!(length > 0)) break;
    const [, key, value] =
      /^\d+ ([^=]+)=([\s\S]*)\n$/.exec(new TextDecoder().decode(bytes.subarray(at, at + length))) ?? [];
    if (key !== undefined) settings.set(key, value!);
    at += length;
  }
  return settings;
}

/** Text up to the first zero byte. */
export function text(bytes: Uint8Array, from: number, length: number): string {
  const field = bytes.subarray(from, from + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}

function octal(bytes: Uint8Array, from: number, length: number): number {
  return Number.parseInt(text(bytes, from, length).trim() || '0', 8);
}

/** GNU's sizes from 8 GiB on: big-endian, the highest bit set. */
function binary(bytes: Uint8Array, from: number): number {
  let value = bytes[from]! & 0x7f;
  for (let i = from + 1; i < from + 12; i++) value = value * 256 + bytes[i]!;
  return value;
}

/** The key and the extension of a member by WebDataset's rule: the name up to the first dot of its last part, and the rest. */
export function splitMemberName(name: string): { key: string; extension: string } {
  const start = name.lastIndexOf('/') + 1;
  const dot = name.indexOf('.', start);
  if (dot <= start) return { key: name, extension: '' };
  return { key: name.slice(0, dot), extension: name.slice(dot + 1).toLowerCase() };
}
