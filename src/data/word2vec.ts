import { DataError } from '../core/errors';
import type { WordVector } from './glove';

/**
 * The word vectors of a binary file of word2vec: a line with the number of words and of numbers per word, then for each word its letters,
 * a space, and its numbers as float32.
 *
 * @param chunks - the file in pieces, such as a stream gives; it is never in memory as a whole
 * @throws DataError where the file is cut or is none of that format
 * @see word2vec.c, `if (binary)`; a line break after each word is passed over, as gensim does
 */
export async function* readWord2Vec(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): AsyncGenerator<WordVector> {
  const bytes = pieces(chunks);
  const header = new TextDecoder().decode(await bytes.until(0x0a, 64));
  const [, words, size] = /^(\d+) (\d+)\s*$/.exec(header) ?? [];
  if (words === undefined || Number(size) < 1)
    throw new DataError(
      'These are no binary word vectors of word2vec: the first line should be two numbers. Text files are read by readGloVe.',
    );
  for (let word = 0; word < Number(words); word++) {
    const name = new TextDecoder().decode(await bytes.until(0x20, 4096)).replace(/^\n+/, '');
    const vector = new Float32Array((await bytes.take(4 * Number(size))).slice().buffer);
    if (!vector.every(Number.isFinite))
      throw new DataError(`The vector of '${name}' has what is no number. Is the file whole?`);
    yield { word: name, vector };
  }
}

/** Bytes that come in chunks, taken as they are needed. */
function pieces(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>) {
  const source =
    Symbol.asyncIterator in chunks
      ? chunks[Symbol.asyncIterator]()
      : (chunks as Iterable<Uint8Array>)[Symbol.iterator]();
  let held: Uint8Array = new Uint8Array(0);
  const more = async () => {
    const { value, done } = await source.next();
    if (done) throw new DataError('The word vectors end too early. Copy or download the file again.');
    const joined = new Uint8Array(held.length + value.length);
    joined.set(held);
    joined.set(value, held.length);
    held = joined;
  };
  const take = async (count: number) => {
    while (held.length < count) await more();
    const taken = held.subarray(0, count);
    held = held.subarray(count);
    return taken;
  };
  return {
    take,
    /** What comes before a byte, which is passed over. */
    async until(byte: number, most: number) {
      for (let from = 0; ; ) {
        const at = held.indexOf(byte, from);
        if (at >= 0) return (await take(at + 1)).subarray(0, at);
        if (held.length > most)
          throw new DataError(`The word vectors hold a word of more than ${most} bytes. Is the file whole?`);
        from = held.length;
        await more();
      }
    },
  };
}
