import { appendFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ApproximateIndex } from '../../src/node/retrievalApproximate';
import { bruteForce, randomVectors } from './vectors';

const name = 'usearch';
const installed = await import(name).then(
  () => true,
  () => false,
);

test.skipIf(installed)('says what to install', async () => {
  await expect(ApproximateIndex.create({ size: 8 })).rejects.toThrow(/npm install usearch/);
});

describe.skipIf(!installed)('an approximate index (needs usearch)', () => {
  const vectors = randomVectors(3000, 24, 1);
  const queries = randomVectors(20, 24, 2);
  const items = vectors.map((vector, i) => ({
    id: `${i}`,
    vector,
    ...(i === 7 && { metadata: { caption: 'seven' } }),
  }));
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tfjs-captioning-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function recall(index: ApproximateIndex): Promise<number> {
    let found = 0;
    for (const query of queries) {
      const best = new Set(
        bruteForce(vectors, query)
          .slice(0, 10)
          .map(({ row }) => `${row}`),
      );
      found += index.search(query).filter(({ id }) => best.has(id)).length;
    }
    return found / (10 * queries.length);
  }

  test('finds most of what exact search finds, and again after it was saved', async () => {
    const index = await ApproximateIndex.create({ size: 24, type: 'float32' });
    await index.add(items);
    expect(await recall(index)).toBeGreaterThan(0.9);
    const [seventh] = index.search(vectors[7]!, { top: 1 });
    expect(seventh).toEqual({ id: '7', score: expect.closeTo(1, 5), metadata: { caption: 'seven' } });
    await index.save(folder);
    await index.save(folder);
    expect(await readdir(folder)).toHaveLength(2);
    const restored = await ApproximateIndex.load(folder);
    expect(restored.count).toBe(3000);
    expect(restored.search(queries[0]!)).toEqual(index.search(queries[0]!));
    restored.remove(['7']);
    expect(restored.search(vectors[7]!, { top: 1 })[0]!.id).not.toBe('7');
    await restored.add([{ id: 'seven', vector: vectors[7]! }]);
    expect(restored.search(vectors[7]!, { top: 1 })[0]!.id).toBe('seven');
  });

  test('wrong use and damage are named', async () => {
    const index = await ApproximateIndex.create({ size: 24 });
    expect(index.search(queries[0]!)).toEqual([]);
    await index.add(items.slice(0, 10));
    expect(index.search(queries[0]!, { top: 50 })).toHaveLength(10);
    await expect(index.add([{ id: 'x', vector: [1, 2] }])).rejects.toThrow(/2 numbers.*24/);
    await expect(index.add([{ id: 'x', vector: new Float32Array(24) }])).rejects.toThrow(/no direction/);
    await expect(index.add(items.slice(3, 4))).rejects.toThrow(/'3' is in the index already/);
    expect(() => index.search([1, 2])).toThrow(/2 numbers.*24/);
    expect(() => index.remove(['none'])).toThrow(/'none' is not in the index/);
    await expect(ApproximateIndex.create({ size: 0 })).rejects.toThrow(/size is 0/);
    await index.save(folder);
    const file = (await readdir(folder)).find((each) => each.endsWith('.usearch'))!;
    await appendFile(join(folder, file), 'more');
    await expect(ApproximateIndex.load(folder)).rejects.toThrow(/bytes, but approximate\.json says/);
    await rm(join(folder, file));
    await expect(ApproximateIndex.load(folder)).rejects.toThrow(/is not in/);
  });
});
