import { commonSubsequence } from './commonSubsequence';
import { accumulate, type Metric, mean, type Scores, type Tokens } from './metric';

export type RougeLScores = Scores<'ROUGE-L'>;

/** How much recall counts against precision, as COCO's evaluation sets it. */
const BETA = 1.2;

/** The reference splits on a space, by which an empty caption is one empty word: against another such it scores 1. */
const EMPTY: Tokens = [''];

/**
 * ROUGE-L as pycocoevalcap 1.2 computes it: an F-measure of the longest common subsequence, with the best precision and
 * the best recall over the references taken independently. The corpus score is the mean of segments, and the state is
 * each segment's score.
 *
 * @see Lin 2004, https://aclanthology.org/W04-1013, equations 2 to 4
 */
export function rougeL(): Metric<RougeLScores, number> {
  return accumulate(rougeLScore, (segments) => ({
    corpus: { 'ROUGE-L': mean(segments) },
    segments: segments.map((score) => ({ 'ROUGE-L': score })),
  }));
}

/** ROUGE-L of one caption, in [0, 1]. */
export function rougeLScore(candidate: Tokens, references: readonly Tokens[]): number {
  const words = candidate.length > 0 ? candidate : EMPTY;
  const commonWith = commonSubsequence(words);
  let precision = 0;
  let recall = 0;
  for (const reference of references) {
    const referenceWords = reference.length > 0 ? reference : EMPTY;
    const common = commonWith(referenceWords);
    precision = Math.max(precision, common / words.length);
    recall = Math.max(recall, common / referenceWords.length);
  }
  if (precision === 0 || recall === 0) return 0;
  return ((1 + BETA ** 2) * precision * recall) / (recall + BETA ** 2 * precision);
}
