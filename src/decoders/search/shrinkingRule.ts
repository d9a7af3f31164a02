import { type Beam, hypothesis, type Rule } from './expand';
import { best } from './transformersRule';

/** The textbook's rule: a hypothesis that ends leaves, and the beam narrows by one. */
export function shrinkingRule(beamSize: number): Rule {
  return ({ live, finished }, next, { isEnd }) => {
    const candidates = best(live, next, beamSize - finished.length);
    const ended = ({ tokens }: Beam) => isEnd(tokens.at(-1)!);
    const ending = candidates.filter(ended).map((candidate) => hypothesis(candidate, candidate.sum, true));
    return { live: candidates.filter((candidate) => !ended(candidate)), finished: [...finished, ...ending] };
  };
}
