import sharp from 'sharp';
import { expect, test } from 'vitest';
import { Random } from '../../src/core/random';
import { datasetOf } from '../../src/data/dataset';
import { findLeaks } from '../../src/data/leaks';
import { hashDistance, perceptualHash } from '../../src/data/perceptualHash';
import type { PixelImage } from '../../src/data/types';
import { readImage } from '../../src/node/image';

/** A picture of soft shapes, so that resizing leaves it what it is. */
async function shapes(seed: number): Promise<Buffer> {
  const values = new Random(seed).uniform(7 * 7 * 3);
  return sharp(Buffer.from(values.map((value) => value * 255)), { raw: { width: 7, height: 7, channels: 3 } })
    .resize(224, 224, { kernel: 'cubic' })
    .png()
    .toBuffer();
}

const hash = async (bytes: Buffer) => perceptualHash(await readImage(bytes));

test('a picture that was made smaller, saved again or made brighter looks the same; others do not', async () => {
  const original = await shapes(1);
  const first = await hash(original);
  const versions = [
    sharp(original).resize(120, 150, { fit: 'fill' }).jpeg({ quality: 50 }),
    sharp(original).webp({ quality: 40 }),
    sharp(original).linear(0.8, 20),
    sharp(original).grayscale(),
  ];
  for (const version of versions)
    expect(hashDistance(first, await hash(await version.png().toBuffer()))).toBeLessThanOrEqual(10);
  for (const seed of [2, 3, 4]) expect(hashDistance(first, await hash(await shapes(seed)))).toBeGreaterThan(24);
  expect(hashDistance(first, await hash(await sharp(original).flop().png().toBuffer()))).toBeGreaterThan(24);
});

test('distances are counted in bits', () => {
  expect(hashDistance([0, 0, 0, 0], [0xffffffff, 1, 0x80000000, 0])).toBe(34);
});

test('pictures that are in two splits are found, by name and by look', async () => {
  const pictures = await Promise.all([1, 2, 3, 4, 5].map(shapes));
  const resaved = await sharp(pictures[1]!).resize(150).jpeg({ quality: 60 }).toBuffer();
  const plain = await sharp({ create: { width: 40, height: 40, channels: 3, background: 'red' } })
    .png()
    .toBuffer();
  const set = (entries: Record<string, Buffer>) =>
    datasetOf(
      Object.keys(entries).map((id) => ({ id, captions: ['x'], split: 'train' as const })),
      ({ id }) => readImage(entries[id]!) as Promise<PixelImage>,
    );
  const parts = {
    train: set({ 'dir/a.jpg': pictures[0]!, 'b.jpg': pictures[1]!, 'twice.jpg': pictures[1]!, 'plain.jpg': plain }),
    dev: set({ 'A.png': pictures[2]!, 'plain2.jpg': plain, 'broken.jpg': Buffer.from('x') }),
    test: set({ 'c.jpg': resaved, 'd.jpg': pictures[4]! }),
  };
  const { leaks, problems } = await findLeaks(parts);
  expect(leaks).toEqual([
    { first: { part: 'train', id: 'dir/a.jpg' }, second: { part: 'dev', id: 'A.png' }, kind: 'id' },
    {
      first: { part: 'train', id: 'b.jpg' },
      second: { part: 'test', id: 'c.jpg' },
      kind: 'picture',
      distance: expect.any(Number),
    },
    {
      first: { part: 'train', id: 'twice.jpg' },
      second: { part: 'test', id: 'c.jpg' },
      kind: 'picture',
      distance: expect.any(Number),
    },
  ]);
  expect(problems).toEqual([{ where: 'broken.jpg', problem: expect.stringContaining('does not decode') }]);
  const byName = await findLeaks(parts, { distance: false, keyOf: (id) => id });
  expect(byName).toEqual({ leaks: [], problems: [] });
  await expect(findLeaks(parts, { distance: 16 })).rejects.toThrow(/distance is 16/);
});
