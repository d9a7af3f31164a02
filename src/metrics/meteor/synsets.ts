import type { Synsets } from './synonyms';

const NEWLINE = 10;

/**
 * WordNet's synsets in the file's own form, which is searched as it lies there: a word on one line, the numbers of its
 * synsets on the next; words in the order of their bytes.
 */
export function synsetsOf(bytes: Uint8Array): Synsets {
  const lines = lineStarts(bytes);
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  const lineOf = (word: string): number => {
    const wanted = encoder.encode(word);
    let low = 0;
    let high = (lines.length >> 1) - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const difference = compareLine(bytes, lines[2 * middle]!, wanted);
      if (difference === 0) return 2 * middle;
      if (difference < 0) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  };
  return {
    has: (word) => lineOf(word) >= 0,
    get(word) {
      const line = lineOf(word);
      if (line < 0) return undefined;
      const numbers = decoder.decode(bytes.subarray(lines[line + 1], lines[line + 2]));
      return numbers.trimEnd().split(' ').map(Number);
    },
  };
}

/** Where each line begins, and at last where the bytes end. */
function lineStarts(bytes: Uint8Array): number[] {
  const starts = [0];
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, end + 1)) starts.push(end + 1);
  return starts;
}

/** Below 0 where the line from `at` on comes before the bytes, above 0 where it comes after them. */
function compareLine(bytes: Uint8Array, at: number, wanted: Uint8Array): number {
  for (let i = 0; i < wanted.length; i++) {
    const byte = bytes[at + i]!;
    if (byte !== wanted[i]) return byte === NEWLINE ? -1 : byte - wanted[i]!;
  }
  return bytes[at + wanted.length] === NEWLINE ? 0 : 1;
}
