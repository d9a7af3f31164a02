import { DataError, expectWhole } from '../core/errors';

/** A word and its vector of float32. */
export type WordVector = { word: string; vector: Float32Array };

/**
 * The word vectors of a text file of GloVe (or of word2vec's text format, whose first line of two numbers is passed over):
 * a word and its numbers per line. The numbers are counted from the right, because some words have spaces in them (`. . .` in
 * the files of 840 billion tokens).
 *
 * @param chunks - the file in pieces, such as a stream gives; it is never in memory as a whole
 * @param size - numbers per word
 * @throws DataError with the number of the line that does not fit
 * @see Pennington et al. 2014, https://aclanthology.org/D14-1162/
 */
export async function* readGloVe(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  size: number,
): AsyncGenerator<WordVector> {
  expectWhole('size', size, 1);
  let number = 0;
  for await (const line of lines(chunks)) {
    number++;
    if (line === '' || (number === 1 && size > 1 && /^\d+ \d+$/.test(line))) continue;
    const parts = line.trimEnd().split(' ');
    const numbers = parts.slice(-size);
    const vector = Float32Array.from(numbers, Number);
    if (parts.length <= size || numbers.some((text) => text === '') || !vector.every(Number.isFinite))
      throw new DataError(
        `Line ${number} of the word vectors, '${line.slice(0, 40)}', is not a word and ${size} numbers. Is size the one of this file?`,
      );
    yield { word: parts.slice(0, -size).join(' '), vector };
  }
}

/** Lines of UTF-8 in pieces that may end anywhere, in a letter too. */
async function* lines(chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decode = (bytes?: Uint8Array) => {
    try {
      return bytes ? decoder.decode(bytes, { stream: true }) : decoder.decode();
    } catch (cause) {
      throw new DataError('The word vectors are not in UTF-8. Is the file whole?', { cause });
    }
  };
  let rest = '';
  for await (const chunk of chunks) {
    const parts = (rest + decode(chunk)).split('\n');
    rest = parts.pop()!;
    for (const part of parts) yield part.replace(/\r$/, '');
  }
  rest += decode();
  if (rest !== '') yield rest.replace(/\r$/, '');
}
