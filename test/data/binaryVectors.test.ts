import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DataError } from '../../src/core/errors';
import { openFastText } from '../../src/data/fastText';
import { readWord2Vec } from '../../src/data/word2vec';
import { expectClose } from '../helpers';
import { collect } from './collect';

// Written and read by gensim; made by scripts/make_word_vector_goldens.py.
const folder = join(import.meta.dirname, '../goldens/wordVectors');
const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'));
const bytesOf = (name: string) => new Uint8Array(readFileSync(join(folder, name)));

const openBytes = (bytes: Uint8Array) =>
  openFastText(async ({ start, end }) => bytes.subarray(start, end), bytes.length);

describe('fastText', () => {
  const bytes = bytesOf('fastText.bin');

  test('words have the vectors that gensim reads, those out of the vocabulary too', async () => {
    const model = await openBytes(bytes);
    expect(model.words).toEqual(expected.words);
    for (const [word, vector] of Object.entries<number[]>(expected.fastText))
      expectClose((await model.vector(word))!, vector, 1e-6); // sums of float32 in another order
  });

  test('a file that is cut, compressed or another one is refused', async () => {
    for (const length of [0, 3, 40, 200, bytes.length - 2000])
      await expect(openBytes(bytes.subarray(0, length)), `${length}`).rejects.toThrow(DataError);
    await expect(openBytes(bytesOf('word2vec.bin'))).rejects.toThrow('no binary model of fastText');
  });
});

describe('word2vec', () => {
  const bytes = bytesOf('word2vec.bin');

  test.each([1, 7, 100_000])('vectors are those that gensim reads, in pieces of %i bytes', async (size) => {
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    );
    const found = await collect(readWord2Vec(pieces));
    expect(found.map(({ word }) => word)).toEqual(Object.keys(expected.word2vec));
    for (const { word, vector } of found) expectClose(vector, expected.word2vec[word], 1e-7);
  });

  test('a file that is cut or another one is refused', async () => {
    await expect(collect(readWord2Vec([bytes.subarray(0, bytes.length - 1)]))).rejects.toThrow('end too early');
    await expect(collect(readWord2Vec([bytesOf('fastText.bin')]))).rejects.toThrow(DataError);
    await expect(collect(readWord2Vec([new TextEncoder().encode('dog 0.1 0.2\ncat 0.3 0.4\n')]))).rejects.toThrow(
      'readGloVe',
    );
  });
});
