import { ScoringError } from './errors';
import type { Tokens } from './metric';
import { ngramCounts, splitTokens } from './ngrams';

/**
 * In how many images of a corpus each n-gram (n = 1 to 4, words joined by a space) occurs in a reference. Plain JSON:
 * computed once, saved, and given to `cider` for single images and for rewards in training.
 */
export type DocumentFrequencies = { images: number; counts: Record<string, number> };

/** @param corpus - the tokenized references of each image */
export function documentFrequencies(corpus: Iterable<readonly Tokens[]>): DocumentFrequencies {
  const counts = new Map<string, number>();
  let images = 0;
  for (const references of corpus) {
    images++;
    // An n-gram counts once for an image, however many of its references have it.
    const ngrams = references.flatMap((tokens) =>
      ngramCounts(splitTokens(tokens)).flatMap((order) => [...order.keys()]),
    );
    for (const ngram of new Set(ngrams)) counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
  }
  return { images, counts: Object.fromEntries(counts) };
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
