import { expectPositive } from '../../core/errors';
import { bounded, type Constraints, checkConstraints, processorsOf } from './constraints';
import { expand } from './expand';
import { follow } from './follow';
import { expectOptions } from './options';
import { largest } from './scores';
import type { Search } from './types';

export type GreedyOptions = Constraints & {
  /** Divides the logits: the caption stays the same, its log-probabilities change. Default 1. */
  temperature?: number;
};

/**
 * The likeliest token at every step; constraints change the logits. One hypothesis per picture, scored by the plain sum of
 * its log-probabilities.
 *
 * @throws UsageError for an option out of its range, or one of another strategy
 */
export function greedy(options: GreedyOptions = {}): Search {
  expectOptions('greedy', options);
  const { temperature = 1, ...constraints } = options;
  expectPositive('temperature', temperature);
  checkConstraints(constraints);
  return async (decoder, memory, given) => {
    const problem = bounded(given, constraints);
    const searches = await expand(decoder, memory, problem, {
      temperature,
      width: 1,
      scores: 'logits',
      processors: processorsOf(constraints, problem),
      settled: true,
      rule: follow(({ scores }) => largest(scores, 1)[0]!),
    });
    return searches.map(({ finished }) => [...finished]);
  };
}
