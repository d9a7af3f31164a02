import { expectWhole, UsageError } from '../core/errors';
import type { Image } from '../data/types';
import type { ImageTextScorer, SearchResult } from './types';

export type RerankOptions = {
  /** How many of the results are looked at again; by default 20. The others stay behind them as they were. */
  first?: number;
  /** Pictures that are scored at a time; by default 8. */
  batchSize?: number;
  signal?: AbortSignal;
};

/** `match`: what the scorer says, of those that it was asked about. */
export type RerankedResult = SearchResult & { match?: number };

/**
 * Puts the first results into the order of a better and slower judge, such as `blipScorer`. Of equal ones that with the larger
 * `score` stays before.
 *
 * @param imageOf - reads the picture of a result
 */
export async function rerank(
  scorer: ImageTextScorer,
  text: string,
  results: readonly SearchResult[],
  imageOf: (id: string) => Promise<Image>,
  { first = 20, batchSize = 8, signal }: RerankOptions = {},
): Promise<RerankedResult[]> {
  expectWhole('first', first, 1);
  expectWhole('batchSize', batchSize, 1);
  const asked = results.slice(0, first);
  const judged: (SearchResult & { match: number })[] = [];
  for (let start = 0; start < asked.length; start += batchSize) {
    signal?.throwIfAborted();
    const batch = asked.slice(start, start + batchSize);
    const scores = await scorer.score(text, await Promise.all(batch.map(({ id }) => imageOf(id))));
    if (scores.length !== batch.length)
      throw new UsageError(
        `The scorer gave ${scores.length} scores for ${batch.length} pictures; one for each is needed.`,
      );
    judged.push(...batch.map((result, i) => ({ ...result, match: scores[i]! })));
  }
  return [...judged.sort((a, b) => b.match - a.match), ...results.slice(first)];
}
