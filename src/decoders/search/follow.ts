import type { Continuations } from './continuations';
import { extend, hypothesis, nothingLeft, type Rule } from './expand';

export type Choice = { length: number; vocabSize: number; copy: number };

/** The rule of searches that keep one hypothesis: `choose` picks a continuation by its place among them. */
export function follow(choose: (continuations: Continuations, step: Choice) => number): Rule {
  return ({ live: [beam] }, next, step) => {
    const continuations = next(0);
    if (continuations.tokens.length === 0) throw nothingLeft();
    const candidate = extend(beam!, 0, continuations, choose(continuations, step));
    const ended = step.isEnd(candidate.tokens.at(-1)!);
    if (ended || step.last) return { live: [], finished: [hypothesis(candidate, total(candidate.logProbs), ended)] };
    return { live: [candidate], finished: [] };
  };
}

const total = (logProbs: readonly number[]) => logProbs.reduce((sum, logProb) => sum + logProb, 0);
