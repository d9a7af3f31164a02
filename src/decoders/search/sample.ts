import { expectPositive, expectWhole, UsageError } from '../../core/errors';
import { Random } from '../../core/random';
import { type Continuations, expand } from './expand';
import { type Choice, follow } from './follow';
import type { Search } from './types';

export type SampleOptions = {
  /** Divides the logits: below 1 for safer, above 1 for freer captions. Default 1. */
  temperature?: number;
  /** Only the `topK` likeliest tokens are drawn from. Default: all. */
  topK?: number;
  /** Of those, only the smallest set whose share of their mass reaches `topP`; at least one token. Default 1. */
  topP?: number;
  /** The same seed draws the same captions. Default 0. */
  seed?: number;
  /** Captions per picture. Default 1. */
  samples?: number;
};

/**
 * Draws every token from softmax(logits / temperature), after top-k and then top-p filtering (the order of
 * transformers). `logProbs` are those of the tempered distribution before filtering, so that captions drawn with
 * different filters compare. Samples are ranked by the plain sum of theirs; equal ones are not merged.
 *
 * Tokens are drawn by the Gumbel trick from noise made on the host, which depends on the seed, the sample and the step
 * alone: every picture meets the same noise, so results do not depend on how pictures are batched, nor on the backend.
 *
 * @throws UsageError for an option out of its range
 * @see top-p: Holtzman et al. 2020, https://arxiv.org/abs/1904.09751; top-k: Fan et al. 2018, https://arxiv.org/abs/1805.04833
 */
export function sample({
  temperature = 1,
  topK = Infinity,
  topP = 1,
  seed = 0,
  samples = 1,
}: SampleOptions = {}): Search {
  expectPositive('temperature', temperature);
  if (topK !== Infinity) expectWhole('topK', topK, 1);
  if (!(topP > 0 && topP <= 1)) throw new UsageError(`topP is ${topP} but should be above 0 and at most 1.`);
  if (!Number.isInteger(seed)) throw new UsageError(`seed is ${seed} but should be a whole number, such as 7.`);
  expectWhole('samples', samples, 1);

  return async (decoder, memory, problem) => {
    const noise = gumbelNoise(new Random(seed));
    const rule = follow((continuations, step) => {
      const heights = noise(step);
      const height = (place: number) => continuations.logProbs[place]! + heights[continuations.tokens[place]!]!;
      return filter(continuations, topK, topP).reduce((best, place) => (height(place) > height(best) ? place : best));
    });
    const searches = await expand(decoder, memory, problem, { temperature, width: topK, copies: samples, rule });
    return Array.from({ length: problem.batch }, (_, picture) =>
      searches
        .slice(picture * samples, (picture + 1) * samples)
        .flatMap(({ finished }) => finished)
        .sort((a, b) => b.score - a.score),
    );
  };
}

/** The places of the continuations that may be drawn, never none. */
function filter({ logProbs }: Continuations, topK: number, topP: number): number[] {
  const places = Array.from(logProbs, (_, place) => place);
  if (topK >= places.length && topP === 1) return places;
  const kept = places.sort((a, b) => logProbs[b]! - logProbs[a]!).slice(0, topK);
  if (topP === 1) return kept;
  const masses = kept.map((place) => Math.exp(logProbs[place]! - logProbs[kept[0]!]!));
  const enough = topP * masses.reduce((sum, mass) => sum + mass, 0);
  let count = 0;
  for (let sum = 0; sum < enough; count++) sum += masses[count]!;
  return kept.slice(0, count);
}

/** Standard Gumbel noise for every token of a step of a sample; that of one step is kept, for all pictures use it. */
function gumbelNoise(random: Random): (step: Choice) => Float32Array {
  const drawn = new Map<number, Float32Array>();
  let at = 0;
  return ({ length, copy, vocabSize }) => {
    if (at !== length) drawn.clear();
    at = length;
    const noise =
      drawn.get(copy) ??
      random
        .fork(copy)
        .fork(length)
        .uniform(vocabSize)
        .map((uniform) => -Math.log(-Math.log(uniform)));
    drawn.set(copy, noise);
    return noise;
  };
}
