import { expectWhole, UsageError } from '../core/errors';

/** The best validation so far. */
export type BestSoFar = { epoch: number; step: number; score: number };

export type Judgement = {
  /** The best one now: keep it with the training, and give it to the next judgement. */
  best: BestSoFar;
  /** Whether this validation is that one, so that its weights should be saved. */
  improved: boolean;
  /** Whether to stop: the best one is `patience` epochs old. */
  exhausted: boolean;
};

/**
 * Early stopping: whether a validation is the best so far, and whether to wait for another.
 *
 * It keeps nothing itself, so a training that is resumed goes on with the `best` that was saved.
 *
 * @param found - this validation; a larger score is better (give a loss with a minus)
 * @throws UsageError for a score that is not a number
 * @see Prechelt 1998, "Early stopping - but when?", third class of criteria
 */
export function judge(
  before: BestSoFar | undefined,
  found: BestSoFar,
  {
    patience,
    margin = 0,
  }: {
    /** Epochs without a better validation after which it is time to stop. */
    patience: number;
    /** How much better a score has to be to count, default 0. */
    margin?: number;
  },
): Judgement {
  expectWhole('patience', patience, 1);
  if (!(margin >= 0)) throw new UsageError(`margin is ${margin} but should be at least 0.`);
  if (Number.isNaN(found.score)) throw new UsageError('The score of a validation is not a number.');
  const improved = before === undefined || found.score > before.score + margin;
  const best = improved ? found : before;
  return { best, improved, exhausted: found.epoch - best.epoch >= patience };
}
