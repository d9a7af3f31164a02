import type { Tokens } from '../metric';
import { MAX_ORDER, ngramCounts, splitTokens } from '../ngrams';

/** N-grams of one order in a set of captions; none reaches from one caption into the next. */
export type NgramVariety = {
  unique: number;
  /** With repetitions. */
  ngrams: number;
  /** Of the captions, whatever the order. */
  words: number;
  /** Distinct-n: `unique / ngrams`, from 0 to 1; 0 where captions are too short to have any. */
  distinct: number;
  /** Div-n: `unique / words`. The number of words, not of n-grams, so that it is below 1 even where nothing is repeated. */
  div: number;
};

/**
 * How many different n-grams, for n = 1 to 4 at index n - 1, there are in captions: of one image, or of a whole corpus.
 * Papers call both ratios distinct-n; say which one is reported.
 *
 * @see Li et al. 2016, https://arxiv.org/abs/1510.03055 (distinct-n, there over words)
 * @see Shetty et al. 2017, https://arxiv.org/abs/1703.10476 (Div-n)
 */
export function distinctNgrams(captions: readonly Tokens[]): NgramVariety[] {
  const seen = Array.from({ length: MAX_ORDER }, () => new Set<string>());
  const ngrams = seen.map(() => 0);
  for (const tokens of captions)
    for (const [index, counts] of ngramCounts(splitTokens(tokens)).entries())
      for (const [ngram, count] of counts) {
        seen[index]!.add(ngram);
        ngrams[index]! += count;
      }
  const words = ngrams[0]!;
  return seen.map(({ size: unique }, index) => ({
    unique,
    ngrams: ngrams[index]!,
    words,
    distinct: unique / Math.max(1, ngrams[index]!),
    div: unique / Math.max(1, words),
  }));
}
