import * as tf from '@tensorflow/tfjs';
import { UsageError } from './errors';
import type { Random } from './random';

/** What a training pass drops: `rate` in [0, 1) and the randomness of this step. Absent where nothing is dropped. */
export type Dropout = { rate: number; random: Random };

/** Throws a `UsageError` unless `rate` is a probability with which training can go on. */
export function expectDropout(rate: number): void {
  if (rate >= 0 && rate < 1) return;
  throw new UsageError(`dropout is ${rate} but should be at least 0 and below 1, such as 0.1.`);
}

/** What a part of a model drops: drawn by the name of the part, or by its number. */
export const within = (drop: Dropout | undefined, name: string | number): Dropout | undefined =>
  drop && { ...drop, random: drop.random.fork(name) };

/**
 * Zeroes each value with probability `rate` and scales the others by 1 / (1 - rate), so that nothing changes on
 * average (Srivastava et al. 2014, inverted). The mask is drawn on the host: the same on every backend.
 */
export function dropout<T extends tf.Tensor>(input: T, drop: Dropout | undefined, name: string): T {
  const factors = dropoutFactors(input.size, drop, name);
  return factors ? tf.mul(input, tf.tensor(factors, input.shape)) : input;
}

/** What `dropout` multiplies by: 0 or 1 / (1 - rate) for each value; absent where nothing is dropped. */
export function dropoutFactors(count: number, drop: Dropout | undefined, name: string): Float32Array | undefined {
  if (!drop || drop.rate === 0) return undefined;
  const { rate, random } = drop;
  const kept = random.fork(name).uniform(count);
  for (let i = 0; i < kept.length; i++) kept[i] = kept[i]! < rate ? 0 : 1 / (1 - rate);
  return kept;
}
