import { type Continuations, extend, hypothesis, type Rule } from './expand';

export type Choice = { length: number; vocabSize: number; copy: number };

/** The rule of searches that keep one hypothesis: `choose` picks a continuation by its place among them. */
export function follow(choose: (continuations: Continuations, step: Choice) => number): Rule {
  return ({ live: [beam] }, [continuations], step) => {
    const { tokens, logProbs, weights } = continuations!;
    const place = choose(continuations!, step);
    const token = tokens[place]!;
    const next = extend(beam!, 0, token, logProbs[place]!, weights);
    const ended = step.isEnd(token);
    if (ended || step.last) return { live: [], finished: [hypothesis(next, next.sum, ended)] };
    return { live: [next], finished: [] };
  };
}
