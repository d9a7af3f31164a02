import { expect, test } from 'vitest';
import { UsageError } from '../../src/core/errors';
import { type BestSoFar, judge } from '../../src/training/earlyStopping';

/** The epochs that improved, and the one after which it was time to stop. */
function run(scores: number[], options: { patience: number; margin?: number }) {
  let best: BestSoFar | undefined;
  const improved: number[] = [];
  for (const [i, score] of scores.entries()) {
    const judgement = judge(best, { epoch: i + 1, step: 10 * (i + 1), score }, options);
    best = judgement.best;
    if (judgement.improved) improved.push(i + 1);
    if (judgement.exhausted) return { improved, stopped: i + 1, best };
  }
  return { improved, stopped: undefined, best };
}

test('waits for so many epochs after the best one, and an equal score is no better one', () => {
  const scores = [1, 3, 2, 4, 4, 3.9, 9];
  expect(run(scores, { patience: 2 })).toEqual({
    improved: [1, 2, 4],
    stopped: 6,
    best: { epoch: 4, step: 40, score: 4 },
  });
  expect(run(scores, { patience: 3 })).toMatchObject({ improved: [1, 2, 4, 7], stopped: undefined });
  expect(run(scores, { patience: 2, margin: 1.5 })).toMatchObject({ improved: [1, 2], stopped: 4 });
});

test('validations within an epoch do not use up patience', () => {
  const first = judge(undefined, { epoch: 1, step: 5, score: 2 }, { patience: 1 });
  expect(judge(first.best, { epoch: 1, step: 10, score: 1 }, { patience: 1 }).exhausted).toBe(false);
  expect(judge(first.best, { epoch: 2, step: 15, score: 1 }, { patience: 1 }).exhausted).toBe(true);
});

test('what cannot be meant', () => {
  const found = { epoch: 1, step: 1, score: 1 };
  expect(() => judge(undefined, found, { patience: 0 })).toThrow(UsageError);
  expect(() => judge(undefined, found, { patience: 1, margin: -1 })).toThrow(UsageError);
  expect(() => judge(undefined, { ...found, score: Number.NaN }, { patience: 1 })).toThrow('not a number');
});
