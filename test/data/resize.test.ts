import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { resizeBilinear } from '../../src/data/resize';
import golden from '../goldens/pictures/resize.json';
import { pattern } from './pattern';

test.each(golden.cases)('resizing $from to $to gives the bytes of Pillow', ({ from, to, sha256, pixels }) => {
  const image = pattern(from[0]!, from[1]!);
  const before = image.data.slice();
  const resized = resizeBilinear(image, to[0]!, to[1]!);
  expect([resized.width, resized.height, resized.channels]).toEqual([to[0], to[1], 3]);
  if (pixels) expect([...resized.data]).toEqual(pixels);
  expect(createHash('sha256').update(resized.data).digest('hex')).toBe(sha256);
  expect(Buffer.compare(Buffer.from(image.data), Buffer.from(before)), 'the picture itself is left alone').toBe(0);
});

test('a picture of the size asked for comes back as it is', () => {
  const image = pattern(224, 224);
  expect(resizeBilinear(image, 224, 224)).toBe(image);
});

test('each channel is resized by itself', () => {
  const image = pattern(9, 7);
  const grey = { ...image, channels: 1 as const, data: image.data.filter((_, index) => index % 3 === 1) };
  const expected = resizeBilinear(image, 4, 3).data.filter((_, index) => index % 3 === 1);
  expect(resizeBilinear(grey, 4, 3).data).toEqual(expected);
});

test('a size that cannot be meant is refused', () => {
  expect(() => resizeBilinear(pattern(4, 4), 0, 4)).toThrow(/width is 0/);
  expect(() => resizeBilinear(pattern(4, 4), 4, 2.5)).toThrow(/height is 2.5/);
});
