import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DataError } from '../../src/core/errors';
import { featureCache } from '../../src/node/featureCache';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'features-'));
});
afterAll(() => rm(root, { recursive: true }));

const features = (from: number) => Uint16Array.from({ length: 6 }, (_, i) => from + i);

/** A folder with three pictures' features, closed. */
async function filled(name: string): Promise<{ folder: string; path: string }> {
  const folder = join(root, name);
  const cache = await featureCache(folder);
  for (const [i, key] of ['first', 'second', 'third'].entries()) await cache.put(key, features(100 * i));
  await cache.close();
  return { folder, path: join(folder, 'features.bin') };
}

async function contents(folder: string): Promise<(number[] | undefined)[]> {
  const cache = await featureCache(folder);
  const found = [];
  for (const key of ['first', 'second', 'third', 'fourth']) {
    const kept = await cache.get(key);
    found.push(kept && [...kept]);
  }
  await cache.close();
  return found;
}

/** Bytes of the last record: header, key, six values. */
const thirdRecord = 16 + 'third'.length + 12;

const all = [0, 100, 200].map((from) => [...features(from)]);

test('what is put is there at once, and after opening again', async () => {
  const { folder } = await filled('plain');
  expect(await contents(folder)).toEqual([...all, undefined]);
  const cache = await featureCache(folder);
  await cache.put('second', features(7));
  expect(await cache.get('second')).toEqual(features(7));
  // A view into larger memory is stored alone.
  await cache.put('fourth', new Uint16Array([9, 9, 1, 2, 9]).subarray(2, 4));
  await cache.close();
  expect(await contents(folder)).toEqual([all[0], [...features(7)], all[2], [1, 2]]);
});

test('puts at the same time do not mix', async () => {
  const folder = join(root, 'parallel');
  const cache = await featureCache(folder);
  const keys = Array.from({ length: 40 }, (_, i) => `key ${i}`);
  await Promise.all(keys.map((key, i) => cache.put(key, features(i))));
  for (const [i, key] of keys.entries()) expect(await cache.get(key), key).toEqual(features(i));
  await cache.close();
});

describe('damage', () => {
  test('a tail cut at any byte costs that record alone, and the file goes on from there', async () => {
    const { path } = await filled('cut');
    const whole = await readFile(path);
    for (let cut = 1; cut <= Math.ceil(whole.length / 3); cut++) {
      const folder = join(root, `cut${cut}`);
      const copy = (await filled(`cut${cut}`)).path;
      await truncate(copy, whole.length - cut);
      const cache = await featureCache(folder);
      const two = cut <= thirdRecord;
      expect(await cache.get('first')).toEqual(features(0));
      expect(await cache.get('second')).toEqual(two ? features(100) : undefined);
      expect(await cache.get('third')).toBeUndefined();
      await cache.put('third', features(200));
      await cache.close();
      expect(await contents(folder)).toEqual([all[0], two ? all[1] : undefined, all[2], undefined]);
      await rm(folder, { recursive: true });
    }
  });

  test('a byte flipped anywhere never gives wrong features, and what is lost can be put anew', async () => {
    const { path } = await filled('source');
    const whole = await readFile(path);
    for (let at = 0; at < whole.length; at++) {
      const folder = join(root, 'flipped');
      await filled('flipped');
      const damaged = Uint8Array.from(whole);
      damaged[at]! ^= 0x41;
      await writeFile(join(folder, 'features.bin'), damaged);
      const found = await contents(folder);
      for (const [i, values] of found.entries()) expect([undefined, all[i]], `byte ${at}`).toContainEqual(values);
      expect(found, `byte ${at}`).not.toEqual([...all, undefined]);
      const cache = await featureCache(folder);
      for (const [i, key] of ['first', 'second', 'third'].entries()) await cache.put(key, features(100 * i));
      await cache.close();
      expect(await contents(folder), `byte ${at}`).toEqual([...all, undefined]);
      await rm(folder, { recursive: true });
    }
  });
});

test('a folder that cannot be written to is named', async () => {
  const file = join(root, 'a file');
  await writeFile(file, 'x');
  const failed = featureCache(join(file, 'below'));
  await expect(failed).rejects.toThrow(DataError);
  await expect(failed).rejects.toThrow(`Features cannot be kept in ${join(file, 'below')}`);
  expect((await stat(file)).size).toBe(1);
});
