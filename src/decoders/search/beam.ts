import { expectPositive, expectWhole, UsageError } from '../../core/errors';
import { type Beam, type Candidate, type Continuations, expand, extend, hypothesis, type Rule } from './expand';
import type { Hypothesis, Search } from './types';

export type BeamOptions = {
  /** Hypotheses kept at every step; 1 is greedy search. */
  beamSize: number;
  /** `transformers` (default) or `shrinking`; see `beam`. */
  rule?: 'transformers' | 'shrinking';
  /** The sum of log-probabilities is divided by length ** lengthPenalty: 0 favours short, 1 and more long captions. Default 1. */
  lengthPenalty?: number;
  /** Divides the logits, which changes the ranking. Default 1. */
  temperature?: number;
  /**
   * When a picture with `beamSize` finished hypotheses is done. `false` (default): when the best live one, at its present
   * length, would not beat the worst finished one. `true`: at once. `'never'`: when it could not at any length up to
   * `maxLength` (judged by its present sum).
   */
  earlyStopping?: boolean | 'never';
};

/**
 * Beam search: the `beamSize` likeliest hypotheses are extended together. All that were kept are returned, best first.
 *
 * `transformers` reproduces the vectorised beam search of Hugging Face transformers (4.57 and 5.23): a hypothesis that
 * ends while among the best `beamSize` is put aside under sum / length ** lengthPenalty, the `beamSize` best of those
 * are kept, and the beam goes on at full width. At `maxLength` unfinished ones count as finished. Departure: where the
 * vocabulary has fewer continuations than the beam has places, places stay empty; transformers fills them with repeats.
 *
 * `shrinking` is the textbook's rule: a hypothesis that ends leaves and the beam narrows by one. Scores are plain sums.
 * Finished hypotheses come before those that `maxLength` cut, whatever their scores.
 *
 * @throws UsageError for an option out of its range, or one that the rule does not have
 * @see transformers: https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/generation/utils.py (_beam_search)
 * @see shrinking: https://github.com/sgrvinod/a-PyTorch-Tutorial-to-Image-Captioning/blob/master/caption.py
 */
export function beam({
  beamSize,
  rule = 'transformers',
  lengthPenalty,
  temperature = 1,
  earlyStopping,
}: BeamOptions): Search {
  expectWhole('beamSize', beamSize, 1);
  expectPositive('temperature', temperature);
  if (lengthPenalty !== undefined && !Number.isFinite(lengthPenalty))
    throw new UsageError(`lengthPenalty is ${lengthPenalty} but should be a number, such as 1.`);
  if (earlyStopping !== undefined && !([true, false, 'never'] as unknown[]).includes(earlyStopping))
    throw new UsageError(`earlyStopping is ${earlyStopping} but should be true, false or 'never'.`);

  if (rule === 'shrinking') {
    if (lengthPenalty !== undefined || earlyStopping !== undefined)
      throw new UsageError(
        "lengthPenalty and earlyStopping belong to the rule 'transformers'; 'shrinking' has neither.",
      );
    return async (decoder, memory, problem) => {
      const strategy = { temperature, width: beamSize, rule: shrinkingRule(beamSize) };
      const searches = await expand(decoder, memory, problem, strategy);
      return searches.map(({ live, finished }) => [
        ...[...finished].sort(byScore),
        ...live.map((cut) => hypothesis(cut, cut.sum, false)),
      ]);
    };
  }
  if (rule !== 'transformers')
    throw new UsageError(`rule is ${JSON.stringify(rule)} but should be 'transformers' or 'shrinking'.`);
  return async (decoder, memory, problem) => {
    const ends = typeof problem.endId === 'number' ? 1 : new Set(problem.endId).size;
    // Every live hypothesis may end in `ends` ways and `beamSize` of the candidates must live on.
    const width = Math.max(2, 1 + ends) * beamSize;
    const settings = { beamSize, width, lengthPenalty: lengthPenalty ?? 1, earlyStopping: earlyStopping ?? false };
    const ruled = transformersRule({ ...settings, maxLength: problem.maxLength });
    const searches = await expand(decoder, memory, problem, { temperature, width, rule: ruled });
    return searches.map(({ finished }) => [...finished]);
  };
}

type TransformersSettings = Required<Pick<BeamOptions, 'beamSize' | 'lengthPenalty' | 'earlyStopping'>> & {
  width: number;
  maxLength: number;
};

function transformersRule({ beamSize, width, lengthPenalty, earlyStopping, maxLength }: TransformersSettings): Rule {
  return ({ live, finished }, continuations, { length, isEnd, last }) => {
    const candidates = best(live, continuations, width);
    const ended = ({ tokens }: Beam) => isEnd(tokens.at(-1)!);
    const stopped = (candidate: Beam) => last || ended(candidate);
    const next = candidates.filter((candidate) => !stopped(candidate)).slice(0, beamSize);
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

function shrinkingRule(beamSize: number): Rule {
  return ({ live, finished }, continuations, { isEnd }) => {
    const candidates = best(live, continuations, beamSize - finished.length);
    const ended = ({ tokens }: Beam) => isEnd(tokens.at(-1)!);
    const ending = candidates.filter(ended).map((candidate) => hypothesis(candidate, candidate.sum, true));
    return { live: candidates.filter((candidate) => !ended(candidate)), finished: [...finished, ...ending] };
  };
}

/** The `count` candidates of the largest sums, best first; of equals, those of the better hypothesis. */
function best(live: readonly Beam[], continuations: readonly Continuations[], count: number): Candidate[] {
  return continuations
    .flatMap(({ tokens, logProbs }, parent) =>
      Array.from(tokens, (token, place) => ({ parent, token, logProb: logProbs[place]! })),
    )
    .sort((a, b) => live[b.parent]!.sum + b.logProb - (live[a.parent]!.sum + a.logProb))
    .slice(0, count)
    .map(({ parent, token, logProb }) => extend(live[parent]!, parent, token, logProb, continuations[parent]!.weights));
}

const byScore = (a: Hypothesis, b: Hypothesis) => b.score - a.score;
