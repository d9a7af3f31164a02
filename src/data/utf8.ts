import { DataError } from '../core/errors';

/**
 * The text of a file in UTF-8, or of some lines of it, with or without a byte order mark.
 *
 * @param where - the file, for messages
 * @param firstLine - the number of the line that the bytes begin with
 * @throws DataError where the bytes are not UTF-8, with the line and how to convert the file
 */
export function decodeUTF8(bytes: Uint8Array, where: string, firstLine = 1): string {
  if (firstLine === 1) expectUTF8Start(bytes, where);
  const lineAt = (offset: number) =>
    bytes.subarray(0, offset).reduce((lines, byte) => (byte === 0x0a ? lines + 1 : lines), firstLine);
  if (bytes.includes(0))
    throw new DataError(
      `${where} has a zero byte in line ${lineAt(bytes.indexOf(0))}, so it is not text in UTF-8. ` +
        `If it is UTF-16: ${howToConvert('UTF-16LE', where)}`,
    );
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: firstLine > 1 }).decode(bytes);
  } catch {
    const at = firstInvalid(bytes);
    throw new DataError(
      `${where} is not in UTF-8: line ${lineAt(at)} has the byte 0x${bytes[at]!.toString(16)}, which is no ` +
        `letter there. If it is Latin-1 (Windows-1252): ${howToConvert('WINDOWS-1252', where)}`,
    );
  }
}

/** @throws DataError where the first bytes of a file say that it is in UTF-16 */
export function expectUTF8Start(bytes: Uint8Array, where: string): void {
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff))
    throw new DataError(`${where} is in UTF-16 but should be in UTF-8. ${howToConvert('UTF-16', where)}`);
}

function howToConvert(encoding: string, where: string): string {
  return `Convert it, such as with: iconv -f ${encoding} -t UTF-8 ${where} > converted.txt`;
}

/** Where the text stops being UTF-8: valid characters come back from encoding with their own lengths. */
function firstInvalid(bytes: Uint8Array): number {
  const replaced = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  const encoded = new TextEncoder().encode(replaced);
  return encoded.findIndex((byte, index) => byte !== bytes[index]);
}
