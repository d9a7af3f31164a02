import type { Processors } from './constraints';
import type { Context, Effect, Processor } from './processors';
import type { Question, Row } from './report';
import { applyEffects, largest, type Needs, needsOf } from './scores';
import type { TokenChance } from './types';

/**
 * What may follow one live hypothesis, in no particular order: the model's natural log-probabilities, and the scores to
 * choose by, which constraints have changed. None where constraints leave none.
 */
export type Continuations = {
  tokens: ArrayLike<number>;
  scores: ArrayLike<number>;
  logProbs: ArrayLike<number>;
  weights?: number[];
  alternatives?: TokenChance[];
};

/** How the scores of continuations come about. */
export type Scoring = {
  /** The logits are divided by this. */
  temperature: number;
  /** Likeliest continuations that are needed of every hypothesis, after processing; `Infinity` for all. */
  width: number;
  processors: Processors;
  /** What processors work on. Default: log-probabilities. */
  scores?: 'logits' | 'logProbs';
  /** Tokens that have to be among the continuations, however unlikely. */
  wanted?: (context: Context) => readonly number[];
  /** How many of the likeliest tokens of every place to keep. */
  wordAlternatives: number;
};

/** What processors do to one row. */
export type Processing = { before: Effect[]; after: Effect[]; needs: Needs };

export function processingOf(context: Context, { processors, wanted }: Scoring): Processing {
  const run = (list: readonly Processor[]) =>
    list.map((processor) => processor(context)).filter((effect) => effect !== undefined);
  const [before, after] = [run(processors.before), run(processors.after)];
  const needs = needsOf([...before, ...after]);
  for (const token of wanted?.(context) ?? []) needs.changed.add(token);
  return { before, after, needs };
}

/** What has to be read, so that the best `width` of every row after processing are known for certain. */
export function questionOf(processing: readonly Processing[], { width, scores, wordAlternatives }: Scoring): Question {
  const needs = processing.map((each) => each.needs);
  // As many more as could be lost: what is barred, and what gets worse by being changed.
  const lost = needs.reduce((most, { barred, changed }) => Math.max(most, barred.size + changed.size), 0);
  const all = needs.some((each) => each.all);
  return {
    width: all ? Number.POSITIVE_INFINITY : Math.max(width, wordAlternatives) + lost,
    changed: needs.map(({ changed }) => [...changed]),
    offset: scores === 'logits' && needs.some(({ changed, all: whole }) => whole || changed.size > 0),
  };
}

/** @param diversity - an effect of its own, between the two lists of processors */
export function continuationsOf(
  { tokens: ids, logProbs, offset, rest }: Row,
  { before, after }: Processing,
  { temperature, wordAlternatives }: Scoring,
  diversity?: Effect,
): Continuations {
  const values = offset === undefined ? logProbs.slice() : logProbs.map((logProb) => (logProb + offset) * temperature);
  applyEffects([...before, ...(diversity ? [diversity] : []), ...after], { ...(ids && { tokens: ids }), values });
  const scale = offset === undefined ? 1 : temperature;
  let count = 0;
  for (const value of values) if (value > -Infinity) count++;
  const [tokens, scores, kept] = [new Int32Array(count), new Float64Array(count), new Float64Array(count)];
  let next = 0;
  for (let place = 0; place < values.length; place++) {
    if (!(values[place]! > -Infinity)) continue;
    tokens[next] = ids ? ids[place]! : place;
    scores[next] = values[place]! / scale;
    kept[next++] = logProbs[place]!;
  }
  return {
    tokens,
    scores,
    logProbs: kept,
    ...(rest.length > 0 && { weights: Array.from(rest) }),
    ...(wordAlternatives > 0 && {
      alternatives: largest(kept, wordAlternatives).map((i) => ({ token: tokens[i]!, logProb: kept[i]! })),
    }),
  };
}
