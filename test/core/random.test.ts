import { describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random';

const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;

describe('forks', () => {
  test('depend on names alone, not on what was drawn before or on the order of the forks', () => {
    const [first, second] = [new Random(7), new Random(7)];
    first.uniform(100);
    first.fork('other').uniform(10);
    const dropout = first.fork('dropout').fork(3);
    expect(second.fork('dropout').fork(3).uniform(5)).toEqual(dropout.uniform(5));
    expect(dropout.uniform(5)).toEqual(dropout.uniform(5));
  });

  test('of other names, numbers, seeds or levels differ', () => {
    const random = new Random(7);
    const sources = [
      random,
      random.fork('a'),
      random.fork('b'),
      random.fork('ab'),
      random.fork('a').fork('b'),
      random.fork('b').fork('a'),
      random.fork(1),
      random.fork('1'),
      random.fork(2),
      new Random(8).fork('a'),
      new Random(-7),
    ];
    expect(new Set(sources.map(({ seed }) => seed)).size).toBe(sources.length);
    for (const { seed } of sources) expect(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 31).toBe(true);
  });

  test('of neighbouring numbers are unrelated', () => {
    const random = new Random(0);
    const [even, odd] = [0, 1].map((parity) =>
      Array.from({ length: 4000 }, (_, i) => random.fork(2 * i + parity).uniform(1)[0]! - 0.5),
    ) as [number[], number[]];
    // Correlation of independent draws: standard deviation 1 / sqrt(4000) = 0.016.
    const correlation = mean(even.map((value, i) => value * odd[i]!)) * 12;
    expect(Math.abs(correlation)).toBeLessThan(0.065);
    expect(Math.abs(mean(even))).toBeLessThan(0.02);
  });
});

test('a seed is a whole number', () => {
  for (const seed of [0.5, Number.NaN, Infinity]) expect(() => new Random(seed)).toThrow(/should be a whole number/);
});

// Bounds are four to five standard deviations; the draws are fixed by the seed.
describe('uniform', () => {
  const values = new Random(42).uniform(100_000);

  test('fills [0, 1) evenly', () => {
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    const bins = new Array<number>(100).fill(0);
    for (const value of values) bins[Math.floor(value * 100)]!++;
    const chiSquare = bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(chiSquare).toBeGreaterThan(50); // too even would not be random either
    expect(chiSquare).toBeLessThan(160); // 99 degrees of freedom: mean 99, standard deviation 14
  });

  test('does not repeat itself from draw to draw', () => {
    for (const lag of [1, 2, 3, 4, 7]) {
      const products = values.slice(lag).map((value, i) => (value - 0.5) * (values[i]! - 0.5) * 12);
      expect(Math.abs(mean(products)), `lag ${lag}`).toBeLessThan(0.015);
    }
  });

  test('a longer draw begins with the shorter one', () => {
    expect(new Random(42).uniform(10)).toEqual(values.slice(0, 10));
    expect(new Random(42).uniform(0)).toHaveLength(0);
  });
});

test('normal has the moments of a standard normal distribution', () => {
  const values = new Random(5).normal(50_000);
  expect(values.every(Number.isFinite)).toBe(true);
  expect(Math.abs(mean(values))).toBeLessThan(0.02);
  expect(mean(values.map((value) => value ** 2))).toBeCloseTo(1, 1);
  expect(mean(values.map((value) => value ** 4))).toBeGreaterThan(2.85);
  expect(mean(values.map((value) => value ** 4))).toBeLessThan(3.15);
});

describe('shuffle', () => {
  test('gives every item once, in an order of the seed, and leaves the given ones alone', () => {
    const items = Array.from({ length: 50 }, (_, i) => i);
    const shuffled = new Random(1).shuffle(items);
    expect(items).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect([...shuffled].sort((a, b) => a - b)).toEqual(items);
    expect(new Random(1).shuffle(items)).toEqual(shuffled);
    expect(new Random(2).shuffle(items)).not.toEqual(shuffled);
    expect(new Random(1).shuffle([])).toEqual([]);
  });

  test('all orders are equally likely', () => {
    const counts = new Map<string, number>();
    const random = new Random(3);
    for (let i = 0; i < 6000; i++) {
      const order = random.fork(i).shuffle(['a', 'b', 'c']).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(145); // deviation 29
  });
});
