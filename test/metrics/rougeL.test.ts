import { expect, test } from 'vitest';
import { commonSubsequence } from '../../src/metrics/commonSubsequence';
import { randomCaptions, seeded } from './randomCaptions';

/** The textbook's table, row by row. */
function byTable(a: readonly string[], b: readonly string[]): number {
  let above = new Array<number>(b.length + 1).fill(0);
  for (const word of a) {
    const row = [0];
    for (const [j, other] of b.entries()) row.push(word === other ? above[j]! + 1 : Math.max(above[j + 1]!, row[j]!));
    above = row;
  }
  return above[b.length]!;
}

test('the longest common subsequence is that of the textbook, of captions of 0 to 200 words', () => {
  const random = seeded(6);
  for (let i = 0; i < 600; i++) {
    const words = randomCaptions(random, 1 + Math.floor(30 * random())).flat();
    const middle = Math.floor(words.length * random());
    // Where blocks of places begin and end, too.
    for (const length of [30, 31, 60, middle]) {
      const [a, b] = [words.slice(0, length), words.slice(middle)];
      expect(commonSubsequence(a)(b)).toBe(byTable(a, b));
    }
  }
});

test('two captions of 2,000 words take less than a fifth of the time that the table takes', () => {
  const random = seeded(7);
  const caption = () => Array.from({ length: 2000 }, () => 'abcdefgh'[Math.floor(8 * random())]!);
  const [a, b] = [caption(), caption()];
  const quickest = (run: () => number) => {
    const times = Array.from({ length: 5 }, () => {
      const started = performance.now();
      run();
      return performance.now() - started;
    });
    return Math.min(...times);
  };
  expect(commonSubsequence(a)(b)).toBe(byTable(a, b));
  expect(quickest(() => commonSubsequence(a)(b))).toBeLessThan(quickest(() => byTable(a, b)) / 5);
});
