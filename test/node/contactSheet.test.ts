import sharp from 'sharp';
import { expect, test } from 'vitest';
import type { PixelImage } from '../../src/data/types';
import { contactSheet } from '../../src/node/contactSheet';

const red: PixelImage = {
  data: new Uint8Array(20 * 10 * 3).map((_, i) => (i % 3 === 0 ? 255 : 0)),
  width: 20,
  height: 10,
  channels: 3,
};

test('a sheet has its pictures where they belong, and survives captions that are no XML', async () => {
  const row = (pictures: number) => ({
    title: 'a & b <c>.jpg',
    pictures: Array.from({ length: pictures }, () => ({ label: 'as it is', image: red })),
    lines: ['<script>\u0001 & "quotes"', 'word '.repeat(60), 'x'.repeat(500)],
  });
  const png = await contactSheet([row(2), row(1), row(0)]);
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  expect(info.width).toBe(10 + 2 * 178 + 430 + 10);
  const colourAt = (x: number, y: number) => [
    ...data.subarray((y * info.width + x) * info.channels, (y * info.width + x) * info.channels + 3),
  ];
  expect(colourAt(90, 60)).toEqual([255, 0, 0]);
  expect(colourAt(90 + 178, 60)).toEqual([255, 0, 0]);
  expect(colourAt(90, 150)).toEqual([255, 255, 255]); // twice as wide as high
  expect(colourAt(90 + 178, 60 + 198)).toEqual([255, 255, 255]);
});
