import type { Continuations } from './continuations';
import { type Beam, type Candidate, extend, hypothesis, type Rule, type RuleStep } from './expand';
import { largest } from './scores';
import type { Hypothesis } from './types';

export type Ranking = {
  beamSize: number;
  /** The sum is divided by length ** lengthPenalty. */
  lengthPenalty: number;
  earlyStopping: boolean | 'never';
};

export type TransformersSettings = Ranking & {
  /** Candidates that are looked at. */
  width: number;
  maxLength: number;
  /** Picks candidates; by default those of the largest sums. */
  pick?: Pick;
};

/** `count` candidates out of all continuations, best first. */
export type Pick = (
  live: readonly Beam[],
  next: (index: number) => Continuations,
  count: number,
  step: RuleStep,
) => Candidate[];

/** The rule of the vectorised beam search of transformers; see `beam`. */
export function transformersRule(settings: TransformersSettings): Rule {
  const { beamSize, width, lengthPenalty, earlyStopping, maxLength, pick = best } = settings;
  return ({ live, finished }, continuations, step) => {
    const { length, isEnd, last } = step;
    const candidates = pick(live, continuations, width, step);
    const ended = ({ tokens }: Beam) => isEnd(tokens.at(-1)!);
    const stopped = (candidate: Beam) => last || ended(candidate);
    const next = candidates
      .filter((candidate) => !stopped(candidate))
      .sort(bySum)
      .slice(0, beamSize);
    const ending = candidates
      .slice(0, beamSize) // one that ends further down is dropped, not kept for later
      .filter(stopped)
      .map((candidate) => hypothesis(candidate, candidate.sum / length ** lengthPenalty, ended(candidate)));
    const kept = [...finished, ...ending].sort(byScore).slice(0, beamSize);

    const judged = earlyStopping === 'never' && lengthPenalty > 0 ? maxLength : length;
    const hopeless = () => next.length === 0 || next[0]!.sum / judged ** lengthPenalty <= kept.at(-1)!.score;
    const over = kept.length === beamSize && (earlyStopping === true || hopeless());
    return { live: over ? [] : next, finished: kept };
  };
}

/** Candidates of `live` that a beam has to look at: every hypothesis may end in `ends` ways and `beamSize` must live on. */
export const candidatesOf = (beamSize: number, ends: number) => Math.max(2, 1 + ends) * beamSize;

/** The `count` candidates of the largest sums, best first; of equals, those of the better hypothesis. */
export function best(live: readonly Beam[], next: (index: number) => Continuations, count: number): Candidate[] {
  const all = live.map((_, index) => next(index));
  return all
    .flatMap(({ scores }, parent) =>
      largest(scores, count).map((place) => ({ parent, place, sum: live[parent]!.sum + scores[place]! })),
    )
    .sort(bySum)
    .slice(0, count)
    .map(({ parent, place }) => extend(live[parent]!, parent, all[parent]!, place));
}

export const bySum = (a: { sum: number }, b: { sum: number }) => b.sum - a.sum;
export const byScore = (a: Hypothesis, b: Hypothesis) => b.score - a.score;
