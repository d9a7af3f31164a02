import type { Random } from '../../core/random';

export type NegativesOptions = {
  /** How many there are to choose from. */
  candidates: number;
  /** Whether a candidate belongs to a row, so that it is no negative of it. */
  belongs: (row: number, candidate: number) => boolean;
  /**
   * How alike rows and candidates are, [rows * candidates], multiplied by the scale that they were learned with: those that are
   * hard to tell from the true one are drawn more often, by the softmax of a row over what does not belong to it. Without
   * it all are as likely.
   */
  logits?: ArrayLike<number>;
};

/**
 * For every row something that does not belong to it: a picture for each text, or a text for each picture.
 *
 * @returns the number of a candidate for each row; -1 where all belong to it
 * @see Li et al. 2021, https://arxiv.org/abs/2107.07651, section 3.2: hard negatives in the batch, drawn from the contrastive
 * similarities. BLIP adds 1e-4 to every probability; here none is added.
 */
export function drawNegatives(
  rows: number,
  { candidates, belongs, logits }: NegativesOptions,
  random: Random,
): Int32Array {
  const draws = random.uniform(rows);
  return Int32Array.from({ length: rows }, (_, row) => {
    const others: number[] = [];
    for (let candidate = 0; candidate < candidates; candidate++) if (!belongs(row, candidate)) others.push(candidate);
    const of = (candidate: number) => (logits ? logits[row * candidates + candidate]! : 0);
    const top = others.reduce((most, candidate) => Math.max(most, of(candidate)), -Infinity);
    const weights = others.map((candidate) => Math.exp(of(candidate) - top));
    let left = draws[row]! * weights.reduce((sum, weight) => sum + weight, 0);
    const chosen = weights.findIndex((weight) => {
      left -= weight;
      return left < 0;
    });
    // Rounding may leave a little of the last one.
    return others.at(chosen) ?? -1;
  });
}
