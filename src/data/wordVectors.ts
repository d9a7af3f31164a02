import { DataError } from '../core/errors';
import type { WordVector } from './glove';
import type { WordTokenizer } from './wordTokenizer';

/** Vectors of the words of a vocabulary. */
export type WordVectors = {
  /** Numbers per word. */
  size: number;
  /** By token. */
  vectors: ReadonlyMap<number, Float32Array>;
  coverage: {
    /** Words in the vocabulary, the special ones left out, and how many of them have a vector. */
    words: number;
    found: number;
    /** Those that have none, the most frequent first. */
    missing: string[];
  };
};

/**
 * The vectors of a vocabulary's words, to begin an embedding with: `create({ wordVectors })`. Words are compared letter by letter,
 * so those of a tokenizer that makes them lower case are not found among vectors for capitals.
 *
 * @param source - such as `readGloVe(stream, 50)`; the first vector of a word counts
 * @throws DataError where no word has a vector, or vectors differ in length
 */
export async function wordVectors(
  tokenizer: WordTokenizer,
  source: Iterable<WordVector> | AsyncIterable<WordVector>,
): Promise<WordVectors> {
  const { words, special } = tokenizer.vocabulary;
  const reserved = new Set<number>(Object.values(special));
  const tokens = new Map(
    words.map((word, token) => [word, token] as const).filter(([, token]) => !reserved.has(token)),
  );
  const vectors = new Map<number, Float32Array>();
  let size = 0;
  for await (const { word, vector } of source) {
    if (size === 0) size = vector.length;
    if (vector.length !== size)
      throw new DataError(`The vector of '${word}' has ${vector.length} numbers but those before it have ${size}.`);
    const token = tokens.get(word);
    if (token !== undefined && !vectors.has(token)) vectors.set(token, vector);
  }
  if (vectors.size === 0)
    throw new DataError(
      `None of the ${tokens.size} words of the vocabulary has a vector. Are the vectors of the language of the captions, and in lower case where they are?`,
    );
  const missing = [...tokens].filter(([, token]) => !vectors.has(token)).map(([word]) => word);
  return { size, vectors, coverage: { words: tokens.size, found: vectors.size, missing } };
}
