import { expect, test } from 'vitest';
import { datasetOf } from '../../src/data/dataset';
import { mixed } from '../../src/data/mixed';
import type { PixelImage } from '../../src/data/types';
import { walk } from '../../src/data/walk';
import { collect } from './collect';

const pixel: PixelImage = { data: new Uint8Array(3), width: 1, height: 1, channels: 3 };
const data = (size: number) =>
  datasetOf(
    Array.from({ length: size }, (_, index) => ({
      id: `${index}`,
      captions: [`caption ${index}`],
      split: 'train' as const,
    })),
    async () => pixel,
  );
const idsOf = async (source: AsyncIterable<{ id: string }>) => (await collect(source)).map(({ id }) => id);

test('a walk mixes all, by seed and epoch alone', async () => {
  const set = data(50);
  const order = (options: object) => idsOf(walk(set, options));
  expect(await order({})).toEqual(set.ids);
  const first = await order({ seed: 7 });
  expect(first).not.toEqual(set.ids);
  expect(first.toSorted()).toEqual([...set.ids].toSorted());
  expect(await order({ seed: 7 })).toEqual(first);
  expect(await order({ seed: 7, epoch: 1 })).not.toEqual(first);
  expect(await order({ seed: 8 })).not.toEqual(first);
});

test('parts of a walk are the whole, and a walk goes on anywhere', async () => {
  const set = data(50);
  const whole = await idsOf(walk(set, { seed: 7 }));
  const parts = await Promise.all([0, 1, 2].map((index) => idsOf(walk(set, { seed: 7, shard: { index, count: 3 } }))));
  expect(parts.map(({ length }) => length)).toEqual([17, 17, 16]);
  expect(parts.flat().toSorted()).toEqual(whole.toSorted());
  expect(await idsOf(walk(set, { seed: 7, from: 20 }))).toEqual(whole.slice(20));
  expect(await idsOf(walk(set, { seed: 7, from: 5, shard: { index: 1, count: 3 } }))).toEqual(parts[1]!.slice(5));
  await expect(idsOf(walk(set, { shard: { index: 2, count: 2 } }))).rejects.toThrow(/Part 2 of 2 is none/);
});

test('shares are kept everywhere in a mixture', async () => {
  const mixture = mixed([
    { name: 'a', data: data(100), weight: 3 },
    { name: 'b', data: data(100), weight: 1 },
  ]);
  expect(mixture.size).toBe(200);
  for (const start of [0, 40, 120])
    expect(mixture.ids.slice(start, start + 40).filter((id) => id.startsWith('b/'))).toHaveLength(10);
  expect(new Set(mixture.ids).size).toBe(200);
  expect(mixture.ids).toEqual(await idsOf(mixture));
});

test('a small data set comes round again, all of it each time; a large one is cut', async () => {
  const parts = [
    { name: 'small', data: data(10), weight: 1 },
    { name: 'large', data: data(100), weight: 1 },
  ];
  const mixture = mixed(parts, { seed: 3, size: 60 });
  const small = mixture.ids.filter((id) => id.startsWith('small/'));
  expect(small).toHaveLength(30);
  const rounds = [0, 1, 2].map((round) => small.slice(round * 10, (round + 1) * 10));
  expect(rounds.map((round) => round.map((id) => id.replace(/#\d+$/, '')).toSorted())).toEqual(
    rounds.map(() => data(10).ids.map((id) => `small/${id}`)),
  );
  expect(rounds[1]!.every((id) => id.endsWith('#2'))).toBe(true);
  expect(mixed(parts, { seed: 4, size: 60 }).ids).not.toEqual(mixture.ids);
  const example = await mixture.at(0);
  expect([example.id, example.metadata]).toEqual([mixture.ids[0], { data: mixture.ids[0]!.split('/')[0] }]);
  await expect(mixture.at(60)).rejects.toThrow(/no example 60/);
});

test('what cannot be mixed is refused', () => {
  expect(() => mixed([])).toThrow(/no data set/);
  expect(() => mixed([{ name: 'a', data: data(1), weight: 0 }])).toThrow(/weight of a is 0/);
  expect(() => mixed([{ name: 'a', data: data(0), weight: 1 }])).toThrow(/a has no examples/);
  expect(() => mixed([1, 2].map(() => ({ name: 'a', data: data(1), weight: 1 })))).toThrow(/different names/);
});
