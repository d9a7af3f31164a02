/** Pieces of a text: words with the space before them, numbers, marks. @see GPT-2, `encoder.py` */
const pieces = /'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

/** Bytes that are shown as the character of their number; the others follow from 256 on, so that each byte can be seen. */
const shown = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;

const characters = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(shown(byte) ? byte : next++));
})();

/** One character for each byte, in the order of their numbers in Unicode. */
export const byteAlphabet: readonly string[] = [...characters].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!);

/** The pieces of a text as byte-level tokenizers cut it, with a character per byte of UTF-8 and a space before the first word. */
export function byteLevelPieces(text: string): string[] {
  const spaced = text === '' || text.startsWith(' ') ? text : ` ${text}`;
  return (spaced.match(pieces) ?? []).map((piece) =>
    Array.from(new TextEncoder().encode(piece), (byte) => characters[byte]!).join(''),
  );
}
