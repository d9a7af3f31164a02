import { DataError } from '../../core/errors';
import { decodeUTF8, expectUTF8Start } from '../utf8';

/** Bytes as they come from a file. */
export type Chunks = AsyncIterable<Uint8Array>;

/** Bytes of one line, or of one record, above which it cannot be meant: half a file without line ends, for example. */
export const MOST_LINE_BYTES = 32 * 2 ** 20;

const NEWLINE = 0x0a;

/** A line of text and its number, from 1; `text` is undefined where the line is longer than `MOST_LINE_BYTES`. */
export type Line = { number: number; text: string | undefined };

/**
 * The lines of a file in UTF-8, many at a time: without line ends (LF, CRLF or CR) and without a byte order mark. Holds a chunk and
 * a line at most.
 *
 * @param where - the file, for messages
 * @throws DataError where bytes are not UTF-8, with the line and how to convert the file
 */
export async function* linesOf(chunks: Chunks, where: string): AsyncGenerator<Line[]> {
  let number = 1;
  for await (const bytes of wholeLines(chunks, where)) {
    if (bytes === 'too long') {
      yield [{ number: number++, text: undefined }];
      continue;
    }
    const text = decodeUTF8(bytes, where, number).replace(/\r$/, ''); // what is left of CRLF at the end
    const lines = text.split(text.includes('\r') ? /\r\n?|\n/ : '\n');
    yield lines.map((line, index) => ({ number: number + index, text: line }));
    number += lines.length;
  }
}

/** Bytes up to the last line end of every chunk, which is left out itself; a line that is too long only by name. */
async function* wholeLines(chunks: Chunks, where: string): AsyncGenerator<Uint8Array | 'too long'> {
  let rest: Uint8Array[] = [];
  let restBytes = 0;
  let started = false;
  for await (const chunk of chunks) {
    if (!started && chunk.length > 0) {
      expectUTF8Start(chunk, where);
      started = true;
    }
    let from = 0;
    if (restBytes > MOST_LINE_BYTES) {
      rest = []; // the line goes on, and only its end matters
      const end = chunk.indexOf(NEWLINE);
      if (end < 0) continue;
      yield 'too long';
      restBytes = 0;
      from = end + 1;
    }
    const end = chunk.lastIndexOf(NEWLINE);
    if (end < from) {
      rest.push(chunk.subarray(from));
      restBytes += chunk.length - from;
      continue;
    }
    yield joined([...rest, chunk.subarray(from, end)]);
    rest = [chunk.subarray(end + 1)];
    restBytes = chunk.length - end - 1;
  }
  if (restBytes > MOST_LINE_BYTES) yield 'too long';
  else if (restBytes > 0) yield joined(rest);
}

/** The text of a file in UTF-8, piece by piece, without a byte order mark. */
export async function* textOf(chunks: Chunks, where: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let [started, line] = [false, 1];
  for await (const chunk of chunks) {
    if (!started && chunk.length > 0) {
      expectUTF8Start(chunk, where);
      started = true;
    }
    let text: string;
    try {
      if (chunk.includes(0)) throw new DataError('zero byte');
      text = decoder.decode(chunk, { stream: true });
    } catch (cause) {
      decodeUTF8(chunk, where, line); // says where; a letter that was begun in the chunk before fails here all the same
      throw new DataError(`${where} is not in UTF-8, near line ${line}. Convert it with iconv.`, { cause });
    }
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) line++;
    yield text;
  }
  try {
    yield decoder.decode();
  } catch (cause) {
    throw new DataError(`${where} ends in the middle of a letter. Copy or download it again.`, { cause });
  }
}

/** Bytes one after the other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
