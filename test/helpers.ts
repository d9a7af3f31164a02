import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';

/** Compares numbers with |actual - expected| <= atol + rtol * |expected|, and says where the worst one is. */
export function expectClose(
  actual: tf.Tensor | ArrayLike<number>,
  expected: tf.Tensor | ArrayLike<number>,
  atol: number,
  rtol = 0,
): void {
  const read = (values: tf.Tensor | ArrayLike<number>) => (values instanceof tf.Tensor ? values.dataSync() : values);
  const [a, e] = [read(actual), read(expected)];
  expect(a.length, 'number of values').toBe(e.length);
  let worst = { index: -1, excess: 0 };
  for (let i = 0; i < e.length; i++) {
    const difference = Math.abs(a[i]! - e[i]!);
    const excess = difference - (atol + rtol * Math.abs(e[i]!));
    if (!(excess <= worst.excess)) worst = { index: i, excess: Number.isNaN(excess) ? Infinity : excess };
  }
  if (worst.index >= 0)
    expect.fail(
      `value ${worst.index} is ${a[worst.index]} but should be ${e[worst.index]} (atol ${atol}, rtol ${rtol})`,
    );
}

/** Runs `body` and fails if it leaves more (or fewer) tensors behind than it found. */
export async function expectNoLeak<T>(body: () => T | Promise<T>): Promise<T> {
  const before = tf.memory().numTensors;
  const result = await body();
  expect(tf.memory().numTensors - before, 'tensors left behind').toBe(0);
  return result;
}
