import { expectPositive, expectWhole, UsageError } from '../../core/errors';
import { bounded, type Constraints, checkConstraints, endsOf, expectSequences, processorsOf } from './constraints';
import { expand, hypothesis, type Progress, type Strategy } from './expand';
import { forcedWordsRule, nextOfPhrases } from './forcedWords';
import { heapRule } from './heapRule';
import { expectOptions } from './options';
import { renormalise as renormaliseScores } from './processors';
import { shrinkingRule } from './shrinkingRule';
import { byScore, candidatesOf, type Ranking, transformersRule } from './transformersRule';
import type { Hypothesis, Search } from './types';

export type BeamOptions = Constraints & {
  /** Hypotheses kept at every step; 1 is greedy search. */
  beamSize: number;
  /** `transformers` (default), `heap` (default with groups) or `shrinking`; see `beam`. */
  rule?: 'transformers' | 'heap' | 'shrinking';
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
  /** Diverse beam search: so many groups share the beam, and later ones avoid what earlier ones say in the same place. */
  groups?: number;
  /** What a group loses for every hypothesis of an earlier one that chose the same token in the same place. */
  diversityPenalty?: number;
  /** Sequences that all have to be said, in any order. */
  forcedWords?: readonly (readonly number[])[];
  /** Log-probabilities are made to sum to one again after constraints. Default false. */
  renormalise?: boolean;
};

/**
 * Beam search: the `beamSize` likeliest hypotheses are extended together. All that were kept are returned, best first.
 *
 * `transformers` reproduces the vectorised beam search of Hugging Face transformers (4.57 and 5.23): a hypothesis that
 * ends while among the best `beamSize` is put aside under sum / length ** lengthPenalty, the `beamSize` best of those
 * are kept, and the beam goes on at full width. At `maxLength` unfinished ones count as finished. Departure: where the
 * vocabulary has fewer continuations than the beam has places, places stay empty; transformers fills them with repeats.
 *
 * `heap` is that of older versions (4.48), which have diverse beam search: see `heapRule`. It takes `groups` and
 * `diversityPenalty`.
 *
 * `shrinking` is the textbook's rule: a hypothesis that ends leaves and the beam narrows by one. Scores are plain sums.
 * Finished hypotheses come before those that `maxLength` cut, whatever their scores.
 *
 * Constraints change log-probabilities, not logits, and what they change counts in the score; `logProbs` stay the model's.
 *
 * @throws UsageError for an option out of its range, or one that the rule or the strategy does not have
 * @see transformers: https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/generation/utils.py (_beam_search)
 * @see shrinking: https://github.com/sgrvinod/a-PyTorch-Tutorial-to-Image-Captioning/blob/master/caption.py
 */
export function beam(options: BeamOptions): Search {
  expectOptions('beam', options);
  const { beamSize, lengthPenalty, temperature = 1, earlyStopping, groups = 1, diversityPenalty, ...others } = options;
  const { rule = groups > 1 ? 'heap' : 'transformers', forcedWords, renormalise = false, ...constraints } = others;
  expectWhole('beamSize', beamSize, 1);
  expectPositive('temperature', temperature);
  expectRanking({ lengthPenalty, earlyStopping });
  expectGroups(beamSize, groups, diversityPenalty);
  expectSequences('forcedWords', forcedWords);
  checkConstraints(constraints);
  if (!['transformers', 'heap', 'shrinking'].includes(rule))
    throw new UsageError(`rule is ${JSON.stringify(rule)} but should be 'transformers', 'heap' or 'shrinking'.`);
  if (rule === 'shrinking' && (lengthPenalty !== undefined || earlyStopping !== undefined))
    throw new UsageError(
      "lengthPenalty and earlyStopping belong to the rules 'transformers' and 'heap'; 'shrinking' has neither.",
    );
  if (rule !== 'heap' && groups > 1) throw new UsageError(`groups belong to the rule 'heap'; '${rule}' has none.`);
  if (rule !== 'transformers' && forcedWords)
    throw new UsageError(`forcedWords belong to the rule 'transformers'; '${rule}' has none.`);

  const ranking = { beamSize, lengthPenalty: lengthPenalty ?? 1, earlyStopping: earlyStopping ?? false };
  return async (decoder, memory, given) => {
    const problem = bounded(given, constraints);
    const { before, after } = processorsOf(constraints, problem);
    const processors = { before, after: renormalise ? [...after, renormaliseScores] : after };
    const { maxLength, padId } = problem;
    const ends = endsOf(problem).length;
    const width = candidatesOf(beamSize, ends);
    const search = (parts: Pick<Strategy, 'width' | 'rule' | 'groups' | 'wanted'>) =>
      expand(decoder, memory, problem, { temperature, processors, ...parts });

    if (rule === 'shrinking')
      return (await search({ width: beamSize, rule: shrinkingRule(beamSize) })).map(({ live, finished }) => [
        ...[...finished].sort(byScore),
        ...live.map((cut) => hypothesis(cut, cut.sum, false)),
      ]);
    if (rule === 'heap') {
      const settings = { ...ranking, groups, diversityPenalty: diversityPenalty ?? 0, ends, padId, maxLength };
      // What other groups have chosen is only known later, so as many more are read as they can make worse.
      return ranked(await search({ width: width + beamSize, groups, rule: heapRule(settings) }));
    }
    const settings = { ...ranking, width, maxLength };
    if (forcedWords && forcedWords.length > 0)
      return ranked(
        await search({ width, rule: forcedWordsRule(forcedWords, settings), wanted: nextOfPhrases(forcedWords) }),
      );
    return ranked(await search({ width, rule: transformersRule(settings) }));
  };
}

const ranked = (searches: readonly Progress[]): Hypothesis[][] =>
  searches.map(({ finished }) => [...finished].sort(byScore));

export function expectRanking({
  lengthPenalty,
  earlyStopping,
}: { [K in keyof Ranking]?: Ranking[K] | undefined }): void {
  if (lengthPenalty !== undefined && !Number.isFinite(lengthPenalty))
    throw new UsageError(`lengthPenalty is ${lengthPenalty} but should be a number, such as 1.`);
  if (earlyStopping !== undefined && !([true, false, 'never'] as unknown[]).includes(earlyStopping))
    throw new UsageError(`earlyStopping is ${earlyStopping} but should be true, false or 'never'.`);
}

function expectGroups(beamSize: number, groups: number, diversityPenalty: number | undefined): void {
  expectWhole('groups', groups, 1);
  if (beamSize % groups !== 0)
    throw new UsageError(`groups is ${groups} but should divide beamSize, ${beamSize}, without remainder.`);
  if (groups > 1) expectPositive('diversityPenalty', diversityPenalty ?? Number.NaN);
  else if (diversityPenalty !== undefined)
    throw new UsageError('diversityPenalty keeps groups apart: give groups of at least 2 too, or leave it out.');
}
