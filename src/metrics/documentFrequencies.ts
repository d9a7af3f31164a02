import { ScoringError } from './errors';
import type { Tokens } from './metric';
import { NgramNumbers, type NumberedNgrams } from './ngramNumbers';
import { splitTokens } from './ngrams';

/**
 * In how many images of a corpus each n-gram (n = 1 to 4, words joined by a space) occurs in a reference. Plain JSON:
 * computed once, saved, and given to `cider` for single images and for rewards in training.
 */
export type DocumentFrequencies = { images: number; counts: Record<string, number> };

/** @param corpus - the tokenized references of each image */
export function documentFrequencies(corpus: Iterable<readonly Tokens[]>): DocumentFrequencies {
  const numbers = new NgramNumbers();
  const counter = imageCounter();
  let images = 0;
  for (const references of corpus) {
    images++;
    counter.add(references.map((tokens) => numbers.add(splitTokens(tokens))));
  }
  return {
    images,
    counts: Object.fromEntries(numbers.texts().map((ngram, number) => [ngram, counter.counts[number]!])),
  };
}

/** Counts in how many images each n-gram occurs, by its number: once for an image, however many references have it. */
export function imageCounter() {
  const counts: number[] = [];
  const lastImage: number[] = [];
  let image = 0;
  return {
    counts: counts as readonly number[],
    add(references: readonly NumberedNgrams[]): void {
      image++;
      for (const orders of references)
        for (const ngrams of orders)
          for (const ngram of ngrams) {
            while (counts.length <= ngram) {
              counts.push(0);
              lastImage.push(0);
            }
            if (lastImage[ngram] === image) continue;
            lastImage[ngram] = image;
            counts[ngram]!++;
          }
    },
  };
}

/** Reads frequencies that were saved. @throws ScoringError where they are not what `documentFrequencies` made */
export function readDocumentFrequencies({ images, counts }: DocumentFrequencies): {
  images: number;
  counts: Map<string, number>;
} {
  if (!Number.isInteger(images) || images < 1 || typeof counts !== 'object' || counts === null)
    throw new ScoringError(
      'documentFrequencies should be { images, counts } with at least one image, as documentFrequencies() makes it.',
    );
  return { images, counts: new Map(Object.entries(counts)) };
}
