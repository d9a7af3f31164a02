import { expect, test } from 'vitest';
import { DataError } from '../../src/core/errors';
import { inBlocks } from '../../src/io/blocks';
import { memoryStore } from '../../src/io/stores';

const bytes = Uint8Array.from({ length: 25 }, (_, index) => index);

async function counted(options: Parameters<typeof inBlocks>[1]) {
  const store = memoryStore();
  await store.write('x', bytes);
  const asked: string[] = [];
  const counting = {
    ...store,
    read: async (name: string, range?: { start: number; end: number }) => {
      asked.push(`${range?.start}-${range?.end}`);
      return store.read(name, range);
    },
  };
  return { store, blocks: inBlocks(counting, { blockSize: 10, ...options }), asked };
}

test('any part is what it would be, and blocks that were used last stay', async () => {
  const { blocks, asked } = await counted({ held: 2 });
  for (let start = 0; start <= 25; start++)
    for (let end = start; end <= 25; end++)
      expect(await blocks.read('x', { start, end })).toEqual(bytes.slice(start, end));
  expect(await blocks.read('x')).toEqual(bytes);
  asked.length = 0;
  await blocks.read('x', { start: 1, end: 3 });
  await blocks.read('x', { start: 11, end: 13 });
  await blocks.read('x', { start: 2, end: 12 });
  await blocks.read('x', { start: 21, end: 22 });
  await blocks.read('x', { start: 12, end: 13 });
  await blocks.read('x', { start: 0, end: 1 });
  expect(asked).toEqual(['0-10', '10-20', '20-25', '0-10']);
});

test('parts that are asked for at once are one request', async () => {
  const { blocks, asked } = await counted({});
  await Promise.all([blocks.read('x', { start: 0, end: 2 }), blocks.read('x', { start: 4, end: 8 })]);
  expect(asked).toEqual(['0-10']);
});

test('progress counts what has come', async () => {
  const seen: number[] = [];
  const { blocks } = await counted({ held: 1, onProgress: ({ loaded, total }) => seen.push(loaded / total) });
  await blocks.read('x', { start: 22, end: 24 });
  await blocks.read('x');
  expect(seen).toEqual([0.2, 0.6, 1, 1]);
});

test('a failure is not kept, and what is not there says so', async () => {
  const { store, blocks } = await counted({});
  await expect(blocks.read('y')).rejects.toThrow(/'y' is not in memory/);
  await expect(blocks.read('x', { start: 3, end: 26 })).rejects.toThrow(DataError);
  await store.remove('x');
  await expect(blocks.read('x', { start: 0, end: 5 })).rejects.toThrow(DataError);
  await store.write('x', bytes);
  expect(await blocks.read('x', { start: 0, end: 5 })).toEqual(bytes.slice(0, 5));
});
