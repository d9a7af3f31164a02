import { expect, test } from 'vitest';
import { Random } from '../../src/core/random';
import { ahead, batched, shuffled } from '../../src/data/streams';
import { collect } from './collect';

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

test('shuffling keeps every item and depends on the seed alone', async () => {
  const order = (seed: number) => collect(shuffled(numbers(50), new Random(seed), 16));
  const first = await order(7);
  expect(await order(7)).toEqual(first);
  expect(await order(8)).not.toEqual(first);
  expect(first).not.toEqual(numbers(50));
  expect(first.toSorted((a, b) => a - b)).toEqual(numbers(50));
});

test('shuffling holds no more than its window', async () => {
  let read = 0;
  function* endless() {
    while (true) yield read++;
  }
  const stream = shuffled(endless(), new Random(7), 10);
  for (let taken = 1; taken <= 100; taken++) {
    await stream.next();
    expect(read).toBe(10 + taken);
  }
});

test('batches are in order and the last one holds the rest', async () => {
  expect(await collect(batched(numbers(7), 3))).toEqual([[0, 1, 2], [3, 4, 5], [6]]);
  expect(await collect(batched(numbers(6), 3))).toEqual([
    [0, 1, 2],
    [3, 4, 5],
  ]);
  expect(await collect(batched([], 3))).toEqual([]);
  await expect(collect(batched([1], 0))).rejects.toThrow(/size is 0/);
});

test('work goes ahead, no further than allowed, and results keep their order', async () => {
  let [running, most] = [0, 0];
  const work = async (item: number) => {
    most = Math.max(most, ++running);
    await new Promise((done) => setTimeout(done, (item * 7) % 5));
    running--;
    return item * 2;
  };
  expect(await collect(ahead(numbers(20), 4, work))).toEqual(numbers(20).map((item) => item * 2));
  expect(most).toBe(4);
});

test('an error comes in its place, and one that nobody waits for does no harm', async () => {
  const work = async (item: number) => {
    if (item >= 2) throw new Error(`item ${item}`);
    return item;
  };
  const got: number[] = [];
  const walk = async () => {
    for await (const item of ahead(numbers(9), 4, work)) got.push(item);
  };
  await expect(walk()).rejects.toThrow('item 2');
  expect(got).toEqual([0, 1]);
});
