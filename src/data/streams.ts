import { expectWhole } from '../core/errors';
import type { Random } from '../core/random';

/** Anything that `for await` walks. */
export type Source<T> = Iterable<T> | AsyncIterable<T>;

/** Mixes a stream through a window of `size`; the order depends on the seed alone. */
export async function* shuffled<T>(source: Source<T>, random: Random, size = 1000): AsyncGenerator<T> {
  expectWhole('size', size, 1);
  const waiting: T[] = [];
  let drawn = 0;
  const draw = () => waiting.splice(random.fork(drawn++).seed % waiting.length, 1)[0]!;
  for await (const item of source) if (waiting.push(item) > size) yield draw();
  while (waiting.length > 0) yield draw();
}

/** Groups of `size` in order; the last one holds what is left. */
export async function* batched<T>(source: Source<T>, size: number): AsyncGenerator<T[]> {
  expectWhole('size', size, 1);
  let batch: T[] = [];
  for await (const item of source) {
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/**
 * Does `work` on every item, in order, with up to `size` items under way while the reader is busy: pictures are read
 * and decoded during a training step. No more than `size` results are ever held.
 *
 * An error of `work` is thrown where its result would have come, after the results before it.
 */
export async function* ahead<T, R>(source: Source<T>, size: number, work: (item: T) => Promise<R>): AsyncGenerator<R> {
  expectWhole('size', size, 1);
  const underWay: Promise<R>[] = [];
  for await (const item of source) {
    const result = work(item);
    // It is awaited below, perhaps much later or, where the reader stops, never: neither is an unhandled rejection.
    result.catch(() => {});
    if (underWay.push(result) >= size) yield await underWay.shift()!;
  }
  while (underWay.length > 0) yield await underWay.shift()!;
}
