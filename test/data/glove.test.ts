import { expect, test } from 'vitest';
import { DataError, UsageError } from '../../src/core/errors';
import { readGloVe } from '../../src/data/glove';

async function read(text: string, size: number, pieces = 5) {
  const bytes = new TextEncoder().encode(text);
  const chunks = Array.from({ length: Math.ceil(bytes.length / pieces) }, (_, i) =>
    bytes.subarray(i * pieces, (i + 1) * pieces),
  );
  const found: [string, number[]][] = [];
  for await (const { word, vector } of readGloVe(chunks, size)) found.push([word, [...vector]]);
  return found;
}

test('words and vectors, whatever the pieces and the ends of lines', async () => {
  for (const pieces of [1, 2, 3, 100])
    expect(await read('café 1 -2.5\r\n. . 3 4\n\nx 1e-1 0', 2, pieces)).toEqual([
      ['café', [1, -2.5]],
      ['. .', [3, 4]],
      ['x', [Math.fround(0.1), 0]],
    ]);
});

test("word2vec's first line is passed over", async () => {
  expect(await read('1 2\nx 1 2', 2)).toEqual([['x', [1, 2]]]);
});

test.each([
  ['x 1', 2, /Line 1 of the word vectors, 'x 1', is not a word and 2 numbers/],
  ['x 1 2\ny 1 z', 2, /Line 2/],
  ['x 1  2', 2, /Line 1/],
])('%j is refused', async (text, size, message) => {
  await expect(read(text, size)).rejects.toThrow(DataError);
  await expect(read(text, size)).rejects.toThrow(message);
});

test('what is not UTF-8, and a size that cannot be meant', async () => {
  const bad = readGloVe([Uint8Array.of(0x78, 0xff, 0x20, 0x31)], 1);
  await expect(bad.next()).rejects.toThrow(/not in UTF-8/);
  await expect(readGloVe([], 0).next()).rejects.toThrow(UsageError);
});
