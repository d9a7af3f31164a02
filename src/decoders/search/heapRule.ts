import { type Beam, type Candidate, hypothesis, type Rule, type RuleStep } from './expand';
import { hammingDiversity } from './processors';
import { best, candidatesOf, type Ranking } from './transformersRule';
import type { Hypothesis } from './types';

export type HeapSettings = Ranking & {
  /** `beamSize` is divided among them. */
  groups: number;
  /** What a group loses for every hypothesis of an earlier one that said the same in the same place. */
  diversityPenalty: number;
  /** How many tokens end a caption. */
  ends: number;
  padId: number | undefined;
  maxLength: number;
};

/**
 * The rule of older versions of transformers, the one that has groups. A hypothesis that ends while among the best of its
 * group goes to the group's heap of `beamSize / groups`, whose worst one has to leave. A group is done when its heap is full
 * and the best candidate, ended ones included, would not beat the worst in it. At the end the live hypotheses of groups that
 * are not done compete too.
 *
 * Groups take their turns within a step, and what the earlier ones have chosen for this place costs the later ones
 * `diversityPenalty`, also in their scores. Departure: the end token that was reached stays; transformers writes the first
 * of several there.
 *
 * @see https://github.com/huggingface/transformers/blob/v4.48.3/src/transformers/generation/beam_search.py (BeamSearchScorer)
 */
export function heapRule(settings: HeapSettings): Rule {
  const { beamSize, groups, diversityPenalty, padId, ends } = settings;
  const size = beamSize / groups;
  return ({ live, finished }, next, step) => {
    const chosen = new Map<number, number>(); // by earlier groups in this step
    const choose = (token: number, times = 1) => chosen.set(token, (chosen.get(token) ?? 0) + times);
    const after: { live: Candidate[]; finished: Hypothesis[] } = { live: [], finished: [] };
    for (let group = 0; group < groups; group++) {
      const ofGroup = (each: { group?: number }) => (each.group ?? 0) === group;
      const heap = finished.filter(ofGroup);
      const offset = live.findIndex(ofGroup);
      if (offset < 0) {
        after.finished.push(...heap);
        if (padId !== undefined) choose(padId, size);
        continue;
      }
      const diversity = group === 0 ? undefined : hammingDiversity(diversityPenalty, chosen);
      const continuations = (index: number) => next(offset + index, diversity);
      const candidates = best(live.filter(ofGroup), continuations, candidatesOf(size, ends));
      const { walking, kept, done } = turn(candidates, heap, { ...settings, size }, step);
      after.finished.push(...kept);
      if (!done) after.live.push(...walking.map((each) => ({ ...each, parent: offset + each.parent })));
      for (const { tokens } of walking) choose(tokens.at(-1)!);
    }
    return after;
  };
}

/** One step of one group. */
function turn(
  candidates: readonly Candidate[],
  heap: readonly Hypothesis[],
  { size, lengthPenalty, earlyStopping, maxLength }: Ranking & { size: number; maxLength: number },
  { length, isEnd, last }: RuleStep,
): { walking: Candidate[]; kept: Hypothesis[]; done: boolean } {
  let kept = [...heap];
  const add = (candidate: Beam, finished: boolean) => {
    const entry = hypothesis(candidate, candidate.sum / length ** lengthPenalty, finished);
    if (kept.length < size) kept.push(entry);
    else {
      const worst = lowest(kept);
      if (entry.score > worst.score) kept = [...kept.filter((each) => each !== worst), entry];
    }
  };
  const walking: Candidate[] = [];
  for (const [rank, candidate] of candidates.entries()) {
    if (!isEnd(candidate.tokens.at(-1)!)) walking.push(candidate);
    else if (rank < size) add(candidate, true);
    if (walking.length === size) break;
  }
  const judged = earlyStopping === 'never' && lengthPenalty > 0 ? maxLength : length;
  const attainable = () => candidates[0]!.sum / judged ** lengthPenalty;
  const full = kept.length === size;
  const done = candidates.length === 0 || (full && (earlyStopping === true || lowest(kept).score >= attainable()));
  if (last && !done) for (const candidate of walking) add(candidate, false);
  return { walking, kept, done: done || last };
}

const lowest = (kept: readonly Hypothesis[]) => kept.reduce((worst, each) => (each.score < worst.score ? each : worst));
