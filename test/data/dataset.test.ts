import { expect, test } from 'vitest';
import { Random } from '../../src/core/random';
import { type CaptionRecord, datasetOf, splitByPicture } from '../../src/data/dataset';
import type { PixelImage } from '../../src/data/types';
import { collect } from './collect';

const pixel: PixelImage = { data: new Uint8Array(3), width: 1, height: 1, channels: 3 };
const records: CaptionRecord[] = [
  { id: 'b.jpg', captions: ['one', 'two'], split: 'train' },
  { id: 'a.jpg', captions: ['three'], split: 'train', metadata: { file: 'images/a.jpg' } },
];

test('a data set can be walked again and again, and opens pictures when asked', async () => {
  const opened: string[] = [];
  const dataset = datasetOf(records, async ({ id }) => {
    opened.push(id);
    return pixel;
  });
  expect(dataset.size).toBe(2);
  expect(dataset.ids).toEqual(['b.jpg', 'a.jpg']);
  for (const _ of [1, 2])
    expect((await collect(dataset)).map(({ id, captions }) => [id, captions])).toEqual([
      ['b.jpg', ['one', 'two']],
      ['a.jpg', ['three']],
    ]);
  expect(await collect(dataset.captions())).toEqual(['one', 'two', 'three']);
  expect(opened).toEqual([]);
  const example = await dataset.at(1);
  expect(example).toMatchObject({ id: 'a.jpg', split: 'train', metadata: { file: 'images/a.jpg' } });
  expect(await example.image()).toBe(pixel);
  expect(opened).toEqual(['a.jpg']);
  await expect(dataset.at(2)).rejects.toThrow(/There is no example 2: the data set has 2/);
});

test('two examples with one id are refused', () => {
  expect(() => datasetOf([...records, records[1]!], async () => pixel)).toThrow(/Two examples are called a.jpg/);
});

const ids = Array.from({ length: 100 }, (_, index) => `${index}.jpg`);

test('a split by picture is whole, seeded, and of the sizes asked for', () => {
  const split = (seed: number) => splitByPicture(ids, { dev: 0.1, test: 0.2, random: new Random(seed) });
  const { train, dev, test } = split(7);
  expect([train.length, dev.length, test.length]).toEqual([70, 10, 20]);
  expect(new Set([...train, ...dev, ...test])).toEqual(new Set(ids));
  expect(split(7)).toEqual(split(7));
  expect(split(8)).not.toEqual(split(7));
});

test('a split does not depend on the order of the ids', () => {
  const shares = { dev: 0.1, test: 0.2, random: new Random(7) };
  const forward = splitByPicture(ids, shares);
  const backward = splitByPicture([...ids].reverse(), shares);
  expect(backward.dev.toReversed()).toEqual(forward.dev);
  expect(backward.test.toReversed()).toEqual(forward.test);
});

test('few pictures still give one to each split; too few are refused', () => {
  const shares = { dev: 0.1, test: 0.1, random: new Random(7) };
  const { train, dev, test } = splitByPicture(ids.slice(0, 3), shares);
  expect([train.length, dev.length, test.length]).toEqual([1, 1, 1]);
  expect(() => splitByPicture(ids.slice(0, 2), shares)).toThrow(/2 pictures cannot be split/);
  expect(() => splitByPicture(ids, { ...shares, dev: 1 })).toThrow(/share of dev is 1/);
});
