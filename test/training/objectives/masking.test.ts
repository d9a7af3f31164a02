import { describe, expect, test } from 'vitest';
import { UsageError } from '../../../src/core/errors';
import { Random } from '../../../src/core/random';
import { type MaskingOptions, maskTokens } from '../../../src/training/objectives/masking';

const special = [0, 1, 2, 3];
const options: MaskingOptions = { maskId: 3, vocabSize: 24, special };
/** Start, twenty words, end. */
const text = [1, ...Array.from({ length: 20 }, (_, i) => 4 + i), 2];

/** Whether a count is within four standard deviations of what is expected of so many trials. */
function expectShare(count: number, trials: number, share: number): void {
  expect(Math.abs(count - trials * share)).toBeLessThan(4 * Math.sqrt(trials * share * (1 - share)));
}

describe('over four thousand texts', () => {
  const texts = Array.from({ length: 4000 }, (_, i) => maskTokens(text, options, new Random(7).fork(i)));
  const chosen = texts.flatMap(({ tokens, places, targets }) =>
    places.map((place, i) => ({ place, target: targets[i]!, read: tokens[place]! })),
  );

  test('15 % of the words of each are to be guessed, every one as often', () => {
    expect(texts.every(({ places }) => places.length === 3)).toBe(true);
    for (let place = 1; place <= 20; place++)
      expectShare(chosen.filter((each) => each.place === place).length, 4000, 0.15);
  });

  test('80 % are hidden, 10 % are another word or by chance the same, 10 % stay', () => {
    const count = (fits: (each: (typeof chosen)[number]) => boolean) => chosen.filter(fits).length;
    expectShare(
      count(({ read }) => read === 3),
      chosen.length,
      0.8,
    );
    const same = 0.1 + 0.1 / 20;
    expectShare(
      count(({ read, target }) => read === target),
      chosen.length,
      same,
    );
    expectShare(
      count(({ read, target }) => read !== 3 && read !== target),
      chosen.length,
      0.2 - same,
    );
  });

  test('words that are put in place of others are of all kinds, and never special', () => {
    const others = chosen.filter(({ read, target }) => read !== 3 && read !== target);
    for (let word = 4; word < 24; word++)
      expectShare(others.filter(({ read }) => read === word).length, others.length, 1 / 20);
  });

  test('what is not chosen stays, and what was there is told', () => {
    for (const { tokens, places, targets } of texts) {
      expect(places).toEqual([...places].sort((a, b) => a - b));
      expect(targets).toEqual(places.map((place) => text[place]));
      expect(tokens.filter((_, place) => !places.includes(place))).toEqual(
        text.filter((_, place) => !places.includes(place)),
      );
    }
  });
});

test('whole words are chosen or left, each of their tokens with a fate of its own', () => {
  const pieces = [1, 10, 20, 21, 11, 12, 22, 13, 14, 15, 16, 17, 18, 2]; // 20 and above go on with the word before
  const words = [[1, 2, 3], [4], [5, 6], [7], [8], [9], [10], [11], [12]];
  const whole: MaskingOptions = { ...options, share: 0.25, continues: (token) => token >= 20 };
  let [mixed, long] = [0, 0];
  for (let i = 0; i < 1000; i++) {
    const { tokens, places } = maskTokens(pieces, whole, new Random(3).fork(i));
    for (const word of words) {
      const taken = word.filter((place) => places.includes(place)).length;
      expect([0, word.length]).toContain(taken);
      if (taken > 1 && new Set(word.map((place) => tokens[place] === 3)).size > 1) mixed++;
    }
    expect(places.length).toBeLessThanOrEqual(3); // a quarter of twelve
    long += Number(places.includes(1));
  }
  expect(mixed).toBeGreaterThan(0);
  expect(long).toBeGreaterThan(0);
});

test('a word at least is chosen, where there is one', () => {
  expect(maskTokens([1, 9, 2], options, new Random(1)).places).toEqual([1]);
  expect(maskTokens([1, 2], options, new Random(1))).toEqual({ tokens: [1, 2], places: [], targets: [] });
});

test('the seed decides', () => {
  const masked = (seed: number) => maskTokens(text, options, new Random(seed));
  expect(masked(1)).toEqual(masked(1));
  expect(masked(1)).not.toEqual(masked(2));
});

test.each([0, 1.5, Number.NaN])('a share of %d is wrong use', (share) => {
  expect(() => maskTokens(text, { ...options, share }, new Random(1))).toThrow(UsageError);
});
