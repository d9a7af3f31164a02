import { expect, test } from 'vitest';
import { Random } from '../../../src/core/random';
import { drawNegatives } from '../../../src/training/objectives/negatives';

const own = (row: number, candidate: number) => row === candidate;

/** How often each candidate is drawn for each row. */
function counts(draws: number, rows: number, candidates: number, logits?: number[]): number[][] {
  const found = Array.from({ length: rows }, () => new Array<number>(candidates).fill(0));
  for (let i = 0; i < draws; i++) {
    const options = { candidates, belongs: own, ...(logits && { logits }) };
    for (const [row, candidate] of drawNegatives(rows, options, new Random(5).fork(i)).entries())
      found[row]![candidate]!++;
  }
  return found;
}

const expectShare = (count: number, trials: number, share: number) =>
  expect(Math.abs(count - trials * share)).toBeLessThanOrEqual(4 * Math.sqrt(trials * share * (1 - share)));

test('random negatives are never the own one, and all others as often', () => {
  for (const [row, each] of counts(6000, 4, 5).entries())
    for (const [candidate, count] of each.entries()) {
      const others = row < 5 ? 4 : 5;
      expectShare(count, 6000, row === candidate ? 0 : 1 / others);
    }
});

test('hard negatives come as often as the softmax of the similarities over the others says', () => {
  const logits = [9, 0, 1, 2, /**/ -1, 30, 1, 1, /**/ 0.5, 0, 700, -0.5]; // large values must not overflow
  const drawn = counts(20000, 3, 4, logits);
  for (const [row, each] of drawn.entries()) {
    const weights = logits.slice(4 * row, 4 * row + 4).map((logit, i) => (i === row ? 0 : Math.exp(logit)));
    const sum = weights.reduce((a, b) => a + b, 0);
    for (const [candidate, count] of each.entries()) expectShare(count, 20000, weights[candidate]! / sum);
  }
});

test('several may belong to a row; where all do there is none', () => {
  const pairs = (row: number, candidate: number) => candidate === 2 * row || candidate === 2 * row + 1;
  const drawn = drawNegatives(3, { candidates: 6, belongs: pairs }, new Random(2));
  for (const [row, candidate] of drawn.entries()) expect(pairs(row, candidate)).toBe(false);
  expect([...drawNegatives(1, { candidates: 1, belongs: own }, new Random(1))]).toEqual([-1]);
  expect([...drawNegatives(1, { candidates: 0, belongs: own }, new Random(1))]).toEqual([-1]);
});

test('the source decides', () => {
  const options = { candidates: 40, belongs: own };
  expect(drawNegatives(30, options, new Random(1))).toEqual(drawNegatives(30, options, new Random(1)));
  expect(drawNegatives(30, options, new Random(1))).not.toEqual(drawNegatives(30, options, new Random(2)));
});
