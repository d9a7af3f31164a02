import type { CaptionText } from '../captioner';
import { UsageError } from '../core/errors';

export type MinimumBayesRiskOptions = {
  /** How much a candidate counts as a reference: equally (default, right for samples), or by its probability. */
  weights?: 'equal' | 'probability';
};

/**
 * The candidates, the one first that the others agree with most: each is compared with all others as if those were true,
 * and the mean, weighted similarity decides. For candidates take the samples or the beam of a picture: a caption with its
 * `alternatives`.
 *
 * @param similarity - of a candidate to references, the larger the more alike: CIDEr or BLEU of one picture, for example
 * @returns the candidates with `agreement`, best first; equals stay in order
 * @see Kumar and Byrne 2004, https://aclanthology.org/N04-1022 ; Eikema and Aziz 2020, https://arxiv.org/abs/2005.10283
 */
export function minimumBayesRisk<T extends Pick<CaptionText, 'text' | 'logProbs'>>(
  candidates: readonly T[],
  similarity: (candidate: string, reference: string) => number,
  { weights = 'equal' }: MinimumBayesRiskOptions = {},
): (T & { agreement: number })[] {
  if (candidates.length === 0) throw new UsageError('minimumBayesRisk() was given no candidates.');
  if (weights !== 'equal' && weights !== 'probability')
    throw new UsageError(`weights is ${JSON.stringify(weights)} but should be 'equal' or 'probability'.`);
  const sums = candidates.map(({ logProbs }) => logProbs.reduce((sum, logProb) => sum + logProb, 0));
  const top = Math.max(...sums);
  const shares = sums.map((sum) => (weights === 'equal' ? 1 : Math.exp(sum - top)));
  return candidates
    .map((candidate, i) => {
      let total = 0;
      let mass = 0;
      for (const [j, other] of candidates.entries()) {
        if (i === j) continue;
        total += shares[j]! * similarity(candidate.text, other.text);
        mass += shares[j]!;
      }
      return { ...candidate, agreement: mass === 0 ? 0 : total / mass };
    })
    .sort((a, b) => b.agreement - a.agreement);
}
