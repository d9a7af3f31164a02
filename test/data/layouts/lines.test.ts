import { expect, test } from 'vitest';
import { linesOf, textOf } from '../../../src/data/layouts/lines';
import { collect } from '../collect';
import { inChunks } from './inChunks';

const lines = async (content: string | Uint8Array, size: number) =>
  (await collect(linesOf(inChunks(content, size), 'f.txt'))).flat();

test.each([1, 2, 3, 7, 100])('lines are numbered, whatever the pieces: %i bytes', async (size) => {
  const text = '\ufeffun été\n\nsur l’île\r\nend';
  expect(await lines(text, size)).toEqual([
    { number: 1, text: 'un été' },
    { number: 2, text: '' },
    { number: 3, text: 'sur l’île' },
    { number: 4, text: 'end' },
  ]);
  expect((await collect(textOf(inChunks(text, size), 'f.txt'))).join('')).toBe(text.slice(1));
});

test('a mark that is not at the beginning is text', async () => {
  expect(await lines('a\n\ufeffb\n', 3)).toEqual([
    { number: 1, text: 'a' },
    { number: 2, text: '\ufeffb' },
  ]);
});

test.each([1, 4, 100])('bytes that are not UTF-8 are told with their line, in pieces of %i bytes', async (size) => {
  const latin = Buffer.concat([Buffer.from('un\ndeux\n'), Buffer.from('caf\u00e9 au lait\n', 'latin1')]);
  await expect(lines(latin, size)).rejects.toThrow(/line 3 has the byte 0xe9/);
  await expect(collect(textOf(inChunks(latin, size), 'f.txt'))).rejects.toThrow(/f.txt is not in UTF-8/);
  await expect(collect(textOf(inChunks(Buffer.from('\u00e9').subarray(0, 1), size), 'f.txt'))).rejects.toThrow(
    /ends in the middle of a letter|not in UTF-8/,
  );
});
