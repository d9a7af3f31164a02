import { UsageError } from '../../core/errors';
import { type Beam, type Candidate, extend, hypothesis, type Rule } from './expand';
import type { Context } from './processors';
import { largest } from './scores';
import { byScore, bySum, type Ranking } from './transformersRule';

type Phrases = readonly (readonly number[])[];

/** How much of the phrases `tokens` hold: those that are whole, and of one more how many tokens at their very end. */
export function progressOf(
  phrases: Phrases,
  tokens: readonly number[],
): { met: number; missing: number; next: number[] } {
  const open = phrases.filter((phrase) => !holds(tokens, phrase));
  const begun = open.map((phrase) => ({ phrase, length: overlap(tokens, phrase) }));
  const furthest = Math.max(0, ...begun.map(({ length }) => length));
  const total = phrases.reduce((sum, { length }) => sum + length, 0);
  const missing = open.reduce((sum, { length }) => sum + length, 0) - furthest;
  const next = begun.flatMap(({ phrase, length }) => (length === 0 ? [phrase[0]!] : [phrase[0]!, phrase[length]!]));
  return { met: total - missing, missing, next: [...new Set(next)] };
}

function holds(tokens: readonly number[], phrase: readonly number[]): boolean {
  return tokens.some((_, at) => phrase.every((token, i) => tokens[at + i] === token));
}

/** The longest beginning of the phrase that `tokens` end with. */
function overlap(tokens: readonly number[], phrase: readonly number[]): number {
  for (let length = Math.min(phrase.length - 1, tokens.length); length > 0; length--) {
    const start = tokens.length - length;
    if (phrase.slice(0, length).every((token, i) => token === tokens[start + i])) return length;
  }
  return 0;
}

/** Has the search read the tokens that go on with a phrase, however unlikely. */
export const nextOfPhrases =
  (phrases: Phrases) =>
  ({ tokens, promptLength }: Context): readonly number[] =>
    progressOf(phrases, tokens.slice(promptLength)).next;

/**
 * Beam search whose captions hold every phrase, in any order. Hypotheses compete with those that hold as much of the
 * phrases; the beam is shared out among these banks in turn, those that hold most first. Only those that hold everything may
 * end, and those that could not before `maxLength` are dropped, phrases that overlap being counted one after the other.
 *
 * @see Post and Vilar 2018, https://arxiv.org/abs/1804.06609 (dynamic beam allocation). Departure: places are given to the
 * banks one by one, so that an empty bank needs no redistribution; ended hypotheses are kept by the rule of `transformers`.
 */
export function forcedWordsRule(phrases: Phrases, settings: Ranking & { width: number; maxLength: number }): Rule {
  const { beamSize, width, lengthPenalty, earlyStopping, maxLength } = settings;
  return ({ live, finished }, continuations, { length, isEnd, last }) => {
    const candidates: (Candidate & { met: number; ended: boolean; whole: boolean })[] = [];
    for (const [parent, beam] of live.entries()) {
      const next = continuations(parent);
      const wanted = new Set(progressOf(phrases, beam.tokens).next);
      const places = new Set(largest(next.scores, width));
      for (let place = 0; place < next.tokens.length; place++) if (wanted.has(next.tokens[place]!)) places.add(place);
      for (const place of places) {
        const candidate = extend(beam, parent, next, place);
        const { met, missing } = progressOf(phrases, candidate.tokens);
        const ended = isEnd(candidate.tokens.at(-1)!);
        const reachable = ended || last ? missing === 0 : missing <= maxLength - length;
        if (reachable) candidates.push({ ...candidate, met, ended, whole: missing === 0 });
      }
    }
    candidates.sort(bySum);
    const ending = candidates
      .filter(({ whole }) => whole)
      .slice(0, beamSize)
      .filter(({ ended }) => ended || last)
      .map((candidate) => hypothesis(candidate, candidate.sum / length ** lengthPenalty, candidate.ended));
    const kept = [...finished, ...ending].sort(byScore).slice(0, beamSize);
    const next = last
      ? []
      : share(
          candidates.filter(({ ended }) => !ended),
          beamSize,
        );
    if (next.length === 0 && kept.length === 0)
      throw new UsageError(
        `forcedWords do not fit into captions of ${maxLength} tokens beside the other constraints. Allow more tokens, or ask for fewer words.`,
      );

    const judged = earlyStopping === 'never' && lengthPenalty > 0 ? maxLength : length;
    const attainable = () => Math.max(...next.map(({ sum }) => sum)) / judged ** lengthPenalty;
    const over = kept.length === beamSize && (earlyStopping === true || attainable() <= kept.at(-1)!.score);
    return { live: over ? [] : next, finished: kept };
  };
}

/** Gives the places of the beam to the banks in turn; within a bank to the best. The result is sorted by bank. */
function share<T extends Beam & { met: number }>(sorted: readonly T[], beamSize: number): T[] {
  const banks = new Map<number, T[]>();
  for (const candidate of sorted) banks.set(candidate.met, [...(banks.get(candidate.met) ?? []), candidate]);
  const fullest = [...banks.keys()].sort((a, b) => b - a).map((met) => banks.get(met)!);
  const taken: T[] = [];
  for (let round = 0; taken.length < Math.min(beamSize, sorted.length); round++)
    taken.push(...fullest.flatMap((bank) => bank.slice(round, round + 1)));
  return taken.slice(0, beamSize);
}
