import { expect, test } from 'vitest';
import { packing, positionsIn } from '../../src/decoders/packing';

const blocksOf = (lengths: number[], images: number, time: number) =>
  packing(lengths, images, time).blocks.map(({ images, rows, begin, end }) => ({
    images: images && [...images],
    rows: [...rows],
    steps: [begin, end],
  }));

test('where no caption ends early, one block holds all of them as they stand', () => {
  expect(blocksOf([3, 3, 3, 3], 2, 3)).toEqual([{ images: undefined, rows: [0, 1, 2, 3], steps: [0, 3] }]);
});

test('images leave when a quarter of them has ended, the longest captions of each come first', () => {
  expect(blocksOf([2, 4, 3, 1, 2, 1], 2, 5)).toEqual([
    { images: undefined, rows: [1, 2, 0, 4, 3, 5], steps: [0, 2] },
    { images: [0], rows: [1, 2], steps: [2, 3] },
    { images: [0], rows: [1], steps: [3, 4] },
  ]);
});

test.each([1, 2, 3])('every wanted place is computed once, %i captions of an image', (perImage) => {
  const lengths = [3, 0, 7, 2, 5, 1, 1, 6, 2, 4, 1, 2];
  const time = 8;
  const { blocks, places, placeOf } = packing(lengths, lengths.length / perImage, time);
  expect(new Set(places).size).toBe(places.length);
  for (const [row, length] of lengths.entries())
    for (let t = 0; t < time; t++) {
      const at = placeOf[row * time + t]!;
      expect(at < places.length).toBe(t < length);
      if (t < length) expect(places[at]).toBe(row * time + t);
    }
  // Rows stand image by image, as the attention needs them.
  for (const { images, rows, slots } of blocks)
    expect([...rows].map((row) => Math.floor(row / perImage))).toEqual(
      [...(images ?? Array.from({ length: lengths.length / perImage }, (_, i) => i))].flatMap((image) =>
        Array<number>(slots).fill(image),
      ),
    );
  expect(places.length).toBeLessThan(lengths.length * time);
});

test('positions among rows, and behind the last for those that are not there', () => {
  expect([...positionsIn(Int32Array.of(4, 2, 7), Int32Array.of(7, 1, 4))]).toEqual([2, 3, 0]);
});
