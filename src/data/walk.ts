import { expectWhole, UsageError } from '../core/errors';
import { Random } from '../core/random';
import type { Dataset, Example } from './types';

export type WalkOptions = {
  /** Mixes all examples, not only neighbours; by default they come in the order of the data set. */
  seed?: number;
  /** Another order with each epoch, counted from 0. */
  epoch?: number;
  /** Take part `index` of `count`, counted from 0, such as for one worker of several. The parts together are the whole, once. */
  shard?: { index: number; count: number };
  /** Examples to pass over, without opening them: where a walk was stopped after n examples, n goes on with it. */
  from?: number;
};

/**
 * The examples of a data set in an order that depends on the seed and the epoch alone, whole or in parts, from any place on. Holds
 * 4 bytes per example.
 */
export async function* walk(
  data: Dataset,
  { seed, epoch = 0, shard = { index: 0, count: 1 }, from = 0 }: WalkOptions = {},
): AsyncGenerator<Example> {
  expectWhole('from', from, 0);
  expectShard(shard);
  const order = seed === undefined ? undefined : permutation(data.size, new Random(seed).fork('walk').fork(epoch));
  for (let place = shard.index + from * shard.count; place < data.size; place += shard.count)
    yield await data.at(order ? order[place]! : place);
}

/** @throws UsageError where a part of several is none of them */
export function expectShard({ index, count }: { index: number; count: number }): void {
  expectWhole('count', count, 1);
  if (!(Number.isInteger(index) && index >= 0 && index < count))
    throw new UsageError(`Part ${index} of ${count} is none: they count from 0 to ${count - 1}.`);
}

/** The numbers below `count` in an order that depends on `random` alone (Fisher and Yates). */
export function permutation(count: number, random: Random): Uint32Array {
  const order = new Uint32Array(count).map((_, index) => index);
  const draws = random.uniform(count);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(draws[i]! * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
