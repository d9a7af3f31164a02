import { expect, test } from 'vitest';
import { DataError, UsageError } from '../../src/core/errors';
import { errorOf, problemOf } from '../../src/node/threadProblem';

test('errors keep class and message on the way from a thread', () => {
  for (const Kind of [DataError, UsageError, Error]) {
    const arrived = errorOf(structuredClone(problemOf(new Kind('It is so.'))));
    expect(arrived.constructor).toBe(Kind);
    expect(arrived.message).toBe('It is so.');
  }
  expect(errorOf(problemOf(new DataError('It is so.')), 'Worker 1 of 2').message).toBe('Worker 1 of 2: It is so.');
});
