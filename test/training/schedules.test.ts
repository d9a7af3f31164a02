import { expect, test } from 'vitest';
import { constant, cosine } from '../../src/training/schedules';
import { expectClose } from '../helpers';

const over = (schedule: (step: number, total: number) => number, total: number) =>
  Array.from({ length: total }, (_, step) => schedule(step, total));

test('constant rises in equal steps and stays', () => {
  expectClose(over(constant(), 3), [1, 1, 1], 0);
  expectClose(over(constant({ warmup: 3 }), 6), [0.25, 0.5, 0.75, 1, 1, 1], 1e-12);
});

test('cosine falls from 1, through the middle at half time, towards the floor', () => {
  const schedule = cosine();
  expectClose(
    [0, 25, 50, 75, 100].map((step) => schedule(step, 100)),
    [1, 0.853553, 0.5, 0.146447, 0],
    1e-6,
  );
  expect(cosine({ floor: 0.2 })(100, 100)).toBeCloseTo(0.2, 12);
  expect(cosine({ floor: 0.2 })(50, 100)).toBeCloseTo(0.6, 12);
});

test('cosine after a warm-up begins at 1 and never rises again', () => {
  const factors = over(cosine({ warmup: 4 }), 20);
  expectClose(factors.slice(0, 5), [0.2, 0.4, 0.6, 0.8, 1], 1e-12);
  for (let step = 5; step < 20; step++) expect(factors[step]).toBeLessThan(factors[step - 1]!);
  expect(factors.every((factor) => factor > 0)).toBe(true);
});

test('a run longer than its total, or shorter than its warm-up, stays within 0 and 1', () => {
  expect(cosine()(150, 100)).toBe(0);
  for (const factor of over(cosine({ warmup: 10 }), 5)) expect(factor > 0 && factor < 1).toBe(true);
});

test('settings that cannot be meant are refused', () => {
  for (const floor of [-0.1, 1.1, Number.NaN]) expect(() => cosine({ floor })).toThrow(/^floor is /);
  for (const schedule of [cosine, constant])
    for (const warmup of [-1, 0.5, Number.NaN]) expect(() => schedule({ warmup })).toThrow(/^warmup is /);
});
