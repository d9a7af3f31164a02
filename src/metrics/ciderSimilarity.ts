import { mean } from './metric';
import type { NumberedNgrams } from './ngramNumbers';

/** A caption as one sparse vector per order. `length` is the number of bigrams, so that it is 0 for a single word too. */
export type CaptionVector = { orders: SparseVector[]; length: number };

/** Every n-gram of one order once, in the order of first appearance, with its count times its weight. */
type SparseVector = { ngrams: number[]; values: number[]; norm: number };

/** Width of the Gaussian over the difference in length, in bigrams. */
const SIGMA = 6;

/**
 * Compares the captions of a corpus, as CIDEr-D or as the original CIDEr does.
 *
 * @param weights - of all n-grams, by their number
 */
export function ciderSimilarity(weights: Float64Array, variant: 'D' | 'original') {
  // One place for each n-gram of the corpus; between calls all are 0.
  const counts = new Uint32Array(weights.length);
  const referenceValues = new Float64Array(weights.length);

  const sparseVectorOf = (occurrences: readonly number[]): SparseVector => {
    const ngrams: number[] = [];
    for (const ngram of occurrences) if (counts[ngram]!++ === 0) ngrams.push(ngram);
    const values: number[] = [];
    let squares = 0;
    for (const ngram of ngrams) {
      const value = counts[ngram]! * weights[ngram]!;
      values.push(value);
      squares += value ** 2;
      counts[ngram] = 0;
    }
    return { ngrams, values, norm: Math.sqrt(squares) };
  };

  /** The cosine of two vectors, the candidate's clipped in CIDEr-D to what the reference has. */
  const cosine = (candidate: SparseVector, reference: SparseVector): number => {
    for (let i = 0; i < reference.ngrams.length; i++) referenceValues[reference.ngrams[i]!] = reference.values[i]!;
    let product = 0;
    for (let i = 0; i < candidate.ngrams.length; i++) {
      const value = candidate.values[i]!;
      const other = referenceValues[candidate.ngrams[i]!]!;
      product += (variant === 'D' ? Math.min(value, other) : value) * other;
    }
    for (const ngram of reference.ngrams) referenceValues[ngram] = 0;
    const norms = candidate.norm * reference.norm;
    return norms === 0 ? product : product / norms;
  };

  return {
    vectorOf: (ngrams: NumberedNgrams): CaptionVector => ({
      orders: ngrams.map(sparseVectorOf),
      length: ngrams[1]!.length,
    }),

    /** The mean over orders of the cosine, in CIDEr-D damped where lengths differ. */
    similarity: (candidate: CaptionVector, reference: CaptionVector): number => {
      const difference = candidate.length - reference.length;
      const damping = variant === 'D' ? Math.exp(-(difference ** 2) / (2 * SIGMA ** 2)) : 1;
      return damping * mean(candidate.orders.map((order, index) => cosine(order, reference.orders[index]!)));
    },
  };
}
