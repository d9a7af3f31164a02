import { expectPositive } from '../../core/errors';
import { type Continuations, expand } from './expand';
import { follow } from './follow';
import type { Search } from './types';

export type GreedyOptions = {
  /** Divides the logits: the caption stays the same, its log-probabilities change. Default 1. */
  temperature?: number;
};

/**
 * The likeliest token at every step. One hypothesis per picture, scored by the plain sum of its log-probabilities.
 *
 * @throws UsageError for a temperature that is not above 0
 */
export function greedy({ temperature = 1 }: GreedyOptions = {}): Search {
  expectPositive('temperature', temperature);
  return async (decoder, memory, problem) => {
    const rule = follow(likeliest);
    const searches = await expand(decoder, memory, problem, { temperature, width: 1, rule });
    return searches.map(({ finished }) => [...finished]);
  };
}

function likeliest({ logProbs }: Continuations): number {
  let best = 0;
  for (let place = 1; place < logProbs.length; place++) if (logProbs[place]! > logProbs[best]!) best = place;
  return best;
}
