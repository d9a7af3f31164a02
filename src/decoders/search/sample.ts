import { expectPositive, expectWhole, UsageError } from '../../core/errors';
import { Random } from '../../core/random';
import { expectRanking } from './beam';
import { bounded, type Constraints, checkConstraints, endsOf, processorsOf } from './constraints';
import type { Continuations } from './continuations';
import { expand, extend } from './expand';
import { type Choice, follow } from './follow';
import { gumbelNoise } from './gumbel';
import { expectOptions, expectShare } from './options';
import { largest } from './scores';
import { byScore, candidatesOf, type Pick, transformersRule } from './transformersRule';
import type { Search } from './types';
import {
  epsilonWarper,
  etaWarper,
  minPWarper,
  temperatureWarper,
  topKWarper,
  topPWarper,
  typicalWarper,
  type Warper,
} from './warpers';

/** What narrows the tokens that are drawn from, in this order. */
export type SampleFilters = {
  /** Only the `topK` likeliest tokens are drawn from. Default: all. */
  topK?: number;
  /** Of those, only the smallest set whose share of their mass reaches `topP`; at least one token. Default 1. */
  topP?: number;
  /** Only tokens with at least this share of the probability of the likeliest one. */
  minP?: number;
  /** The tokens whose surprise is nearest to the expected one, until they hold this mass. Default 1. */
  typicalP?: number;
  /** Only tokens of at least this probability. */
  epsilon?: number;
  /** The same with a bound that falls where the model is unsure. */
  eta?: number;
};

export type SampleOptions = Constraints &
  SampleFilters & {
    /** Divides the logits: below 1 for safer, above 1 for freer captions. Default 1. */
    temperature?: number;
    /** The same seed draws the same captions. Default 0. */
    seed?: number;
    /** Captions per picture. Default 1. */
    samples?: number;
    /** Beam sampling: the candidates of a beam of this size are drawn, not the best. */
    beamSize?: number;
    /** With `beamSize`, as in `beam`. */
    lengthPenalty?: number;
    /** With `beamSize`, as in `beam`. */
    earlyStopping?: boolean | 'never';
  };

/**
 * Draws every token from softmax(logits / temperature), after constraints, which change the logits, and then filters, in the
 * order of transformers. `logProbs` are those of the tempered distribution before either, so that captions drawn with
 * different filters compare. Samples are ranked by the plain sum of theirs; equal ones are not merged.
 *
 * With `beamSize` it is the beam sampling of transformers: constraints, temperature and filters work on log-probabilities,
 * what they leave is added to the score of a hypothesis, and candidates are drawn without replacement by these scores.
 *
 * Tokens are drawn by the Gumbel trick from noise made on the host, which depends on the seed, the sample and the step
 * alone: every picture meets the same noise, so results do not depend on how pictures are batched, nor on the backend.
 *
 * @throws UsageError for an option out of its range, or one of another strategy
 * @see drawing without replacement: Kool et al. 2019, https://arxiv.org/abs/1903.06059, section 2.3
 */
export function sample(options: SampleOptions = {}): Search {
  expectOptions('sample', options);
  const { topK, topP, minP, typicalP, epsilon, eta, ...unfiltered } = options;
  const { temperature = 1, seed = 0, samples = 1, beamSize, lengthPenalty, earlyStopping, ...constraints } = unfiltered;
  const filters = { topK, topP, minP, typicalP, epsilon, eta };
  expectPositive('temperature', temperature);
  checkFilters(filters);
  if (!Number.isInteger(seed)) throw new UsageError(`seed is ${seed} but should be a whole number, such as 7.`);
  expectWhole('samples', samples, 1);
  checkConstraints(constraints);
  const random = new Random(seed);

  if (beamSize !== undefined) {
    expectWhole('beamSize', beamSize, 1);
    expectRanking({ lengthPenalty, earlyStopping });
    if (samples > 1)
      throw new UsageError('samples and beamSize do not go together: a beam returns beamSize captions already.');
    const ranking = { beamSize, lengthPenalty: lengthPenalty ?? 1, earlyStopping: earlyStopping ?? false };
    return async (decoder, memory, given) => {
      const problem = bounded(given, constraints);
      const ends = endsOf(problem).length;
      const keep = Math.max(2, 1 + ends);
      const width = candidatesOf(beamSize, ends);
      const warpers = [temperatureWarper(temperature), ...warpersOf(filters, keep)];
      const pick = drawn(gumbelNoise(random), warpers);
      const searches = await expand(decoder, memory, problem, {
        temperature: 1,
        width: topK === undefined ? Infinity : Math.max(topK, keep),
        processors: processorsOf(constraints, problem),
        rule: transformersRule({ ...ranking, width, maxLength: problem.maxLength, pick }),
      });
      return searches.map(({ finished }) => [...finished]);
    };
  }
  if (lengthPenalty !== undefined || earlyStopping !== undefined)
    throw new UsageError('lengthPenalty and earlyStopping belong to beam sampling: give beamSize too, or use beam().');

  return async (decoder, memory, given) => {
    const problem = bounded(given, constraints);
    const noise = gumbelNoise(random);
    const warpers = warpersOf(filters, 1);
    const draw = ({ tokens, scores }: Continuations, step: Choice) => {
      const heights = noise(step);
      const warped = warp(scores, warpers);
      let best = -1;
      let highest = -Infinity;
      for (let place = 0; place < warped.length; place++) {
        const height = warped[place]! + heights[tokens[place]!]!;
        if (height > highest || best < 0) [best, highest] = [place, height];
      }
      return best;
    };
    const searches = await expand(decoder, memory, problem, {
      temperature,
      width: topK ?? Infinity,
      scores: 'logits',
      copies: samples,
      processors: processorsOf(constraints, problem),
      settled: samples === 1,
      rule: follow(draw),
    });
    return Array.from({ length: problem.batch }, (_, picture) =>
      searches
        .slice(picture * samples, (picture + 1) * samples)
        .flatMap(({ finished }) => finished)
        .sort(byScore),
    );
  };
}

type Filters = { [Name in keyof SampleFilters]: number | undefined };

function checkFilters({ topK, topP, minP, typicalP, epsilon, eta }: Filters): void {
  if (topK !== undefined && topK !== Infinity) expectWhole('topK', topK, 1);
  for (const [name, value] of Object.entries({ topP, minP, typicalP }))
    if (value !== undefined) expectShare(name, value);
  for (const [name, value] of Object.entries({ epsilon, eta }))
    if (value !== undefined && !(value > 0 && value < 1))
      throw new UsageError(`${name} is ${value} but should be above 0 and below 1, such as 0.0003.`);
}

/** In the order of transformers. */
function warpersOf({ topK, topP = 1, minP, typicalP = 1, epsilon, eta }: Filters, keep: number): Warper[] {
  return [
    ...(topK !== undefined && topK !== Infinity ? [topKWarper(topK, keep)] : []),
    ...(topP < 1 ? [topPWarper(topP, keep)] : []),
    ...(minP !== undefined ? [minPWarper(minP, keep)] : []),
    ...(typicalP < 1 ? [typicalWarper(typicalP, keep)] : []),
    ...(epsilon !== undefined ? [epsilonWarper(epsilon, keep)] : []),
    ...(eta !== undefined ? [etaWarper(eta, keep)] : []),
  ];
}

function warp(scores: ArrayLike<number>, warpers: readonly Warper[]): Float64Array {
  const warped = Float64Array.from(scores);
  for (const warper of warpers) warper(warped);
  return warped;
}

/** Draws candidates of a beam without replacement, in proportion to the exponential of their sums. */
function drawn(noise: ReturnType<typeof gumbelNoise>, warpers: readonly Warper[]): Pick {
  return (live, next, count, { length, vocabSize }) => {
    const all = live.map((_, index) => {
      const continuations = next(index);
      return { ...continuations, scores: warp(continuations.scores, warpers) };
    });
    return all
      .flatMap(({ tokens, scores }, parent) => {
        const heights = noise({ length, vocabSize, copy: parent });
        const raised = scores.map((score, place) => live[parent]!.sum + score + heights[tokens[place]!]!);
        return largest(raised, count).map((place) => ({ parent, place, height: raised[place]! }));
      })
      .sort((a, b) => b.height - a.height)
      .slice(0, count)
      .map(({ parent, place }) => extend(live[parent]!, parent, all[parent]!, place));
  };
}
