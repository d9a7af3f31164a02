import * as tf from '@tensorflow/tfjs';
import { UsageError } from './errors';
import type { Random } from './random';

/** What a training pass drops: `rate` in [0, 1) and the randomness of this step. Absent where nothing is dropped. */
export type Dropout = {
  rate: number;
  random: Random;
  /**
   * Drops the same values at all time steps of a caption, and others of the next caption. Recurrent decoders alone do.
   *
   * @see Gal and Ghahramani 2016, https://arxiv.org/abs/1512.05287; Merity et al. 2018, https://arxiv.org/abs/1708.02182, section 4.2, "locked".
   * Departure from the first: what a layer hands to itself is not dropped, nor are whole words
   */
  locked?: boolean;
  /** Set where the pass sees a part of the batch alone: it then drops what it would drop in the whole. */
  part?: BatchPart | undefined;
};

/** So many pictures of a batch, after so many others of it. */
export type BatchPart = { before: number; images: number };

/** Which row of the batch, such as which caption, every place of a tensor's first axis belongs to. */
export type Rows = { count: number; of: ArrayLike<number> };

/** Throws a `UsageError` unless `rate` is a probability with which training can go on. */
export function expectDropout(rate: number): void {
  if (rate >= 0 && rate < 1) return;
  throw new UsageError(`dropout is ${rate} but should be at least 0 and below 1, such as 0.1.`);
}

/** What a part of a model drops: drawn by the name of the part, or by its number. */
export const within = (drop: Dropout | undefined, name: string | number): Dropout | undefined =>
  drop && { ...drop, random: drop.random.fork(name) };

/** That of a time step, which is the same at all of them where it is locked. */
export const atStep = (drop: Dropout | undefined, time: number): Dropout | undefined =>
  drop?.locked ? drop : within(drop, time);

/**
 * Zeroes each value with probability `rate` and scales the others by 1 / (1 - rate), so that nothing changes on
 * average (Srivastava et al. 2014, inverted). The mask is drawn on the host: the same on every backend.
 *
 * @param rows - asked only where something is dropped; by default every place of the first axis is a row
 */
export function dropout<T extends tf.Tensor>(
  input: T,
  drop: Dropout | undefined,
  name: string,
  rows: () => Rows = () => eachItsOwn(input),
): T {
  if (!drop || drop.rate === 0) return input;
  const [places = 1] = input.shape;
  return tf.mul(input, tf.tensor(dropoutFactors(rows(), input.size / places, drop, name)!, input.shape));
}

const eachItsOwn = ({ shape: [places = 1] }: tf.Tensor): Rows => ({
  count: places,
  of: Int32Array.from({ length: places }, (_, place) => place),
});

/**
 * What `dropout` multiplies by: 0 or 1 / (1 - rate) for each of `size` values of each place; absent where nothing is dropped. The
 * draws of a row follow from its number in the batch and the order of its places alone.
 */
export function dropoutFactors(
  { count, of }: Rows,
  size: number,
  drop: Dropout | undefined,
  name: string,
): Float32Array | undefined {
  if (!drop || drop.rate === 0) return undefined;
  const { rate, random, part, locked } = drop;
  const before = part ? (part.before * count) / part.images : 0;
  const source = random.fork(name);
  const places = new Int32Array(count);
  for (let i = 0; i < of.length; i++) places[of[i]!]!++;
  const draws = Array.from(places, (own, row) =>
    own > 0 ? source.fork(before + row).uniform(locked ? size : own * size) : undefined,
  );
  const factors = new Float32Array(of.length * size);
  for (let i = of.length - 1; i >= 0; i--) {
    const row = of[i]!;
    const place = locked ? 0 : --places[row]!;
    const own = draws[row]!;
    for (let j = 0; j < size; j++) factors[i * size + j] = own[place * size + j]! < rate ? 0 : 1 / (1 - rate);
  }
  return factors;
}
