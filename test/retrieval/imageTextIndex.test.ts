import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { DataError, UsageError } from '../../src/core/errors';
import { Random } from '../../src/core/random';
import type { Image, PixelImage } from '../../src/data/types';
import { memoryStore } from '../../src/io/stores';
import { searchExactly } from '../../src/retrieval/exact/search';
import { VectorTable } from '../../src/retrieval/exact/vectorTable';
import { ImageTextIndex } from '../../src/retrieval/imageTextIndex';
import type { ImageTextEmbedder, VectorItem } from '../../src/retrieval/types';
import { expectNoLeak } from '../helpers';
import { bruteForce, randomVectors, unit } from './vectors';

await tf.setBackend('cpu');

const named = (vectors: readonly Float32Array[]): VectorItem[] => vectors.map((vector, i) => ({ id: `${i}`, vector }));
const vectors = randomVectors(1000, 64, 1);
const queries = randomVectors(20, 64, 2);

/** Pictures are of one colour, and texts name one: the space is that of colours. */
const colours: ImageTextEmbedder = {
  embedImages: async (images) => rows(images.map((image) => [...(image as PixelImage).data.slice(0, 3)])),
  embedTexts: async (texts) =>
    rows(texts.map((text) => ['red', 'green', 'blue'].map((name) => (text.includes(name) ? 1 : 0.1)))),
};
const rows = (values: number[][]) => tf.tensor2d(values.map((row) => [...unit(Float32Array.from(row))]));
const picture = (...colour: [number, number, number]): Image => ({
  data: Uint8Array.from(colour),
  width: 1,
  height: 1,
  channels: 3,
});

describe('search', () => {
  test.each([1, 10, 137])('the best %d of 1,000 are those of brute force', async (top) => {
    const index = await ImageTextIndex.build(named(vectors));
    for (const query of queries) {
      const expected = bruteForce(vectors, query).slice(0, top);
      const found = await index.search({ vector: query }, { top });
      expect(found.map(({ id }) => id)).toEqual(expected.map(({ row }) => `${row}`));
      // What the index keeps is float32, of length 1: 6e-8 from what was given.
      for (const [i, { score }] of found.entries()) expect(score).toBeCloseTo(expected[i]!.score, 6);
    }
  });

  test('across segments, with and without SIMD', () => {
    const many = randomVectors(9000, 24, 5);
    for (const plain of [false, true]) {
      const table = new VectorTable(24, 'float32', plain);
      for (const vector of many) table.append(vector);
      for (const query of randomVectors(5, 24, 6)) {
        const expected = bruteForce(many, query).slice(0, 10);
        expect(searchExactly(table, Float64Array.from(query), 10).map(({ row }) => row)).toEqual(
          expected.map(({ row }) => row),
        );
      }
    }
  });

  test('vectors whose codes are coarse, because one number is large', async () => {
    // Differences between rows are far below a step of the codes, so only the bound keeps the right ones.
    const random = new Random(8).normal(500 * 16);
    const coarse = Array.from({ length: 500 }, (_, i) =>
      unit(Float32Array.from([30, ...random.subarray(16 * i, 16 * i + 16).map((value) => value / 50)])),
    );
    const index = await ImageTextIndex.build(named(coarse));
    for (const query of [coarse[3]!, coarse[77]!, unit(Float32Array.from([0, ...random.subarray(0, 16)]))])
      expect((await index.search({ vector: query })).map(({ id }) => id)).toEqual(
        bruteForce(coarse, query)
          .slice(0, 10)
          .map(({ row }) => `${row}`),
      );
  });

  test('of equals the one added first comes first, wherever they are', async () => {
    const same = vectors.map((vector, i) => (i % 3 === 0 ? vectors[0]! : vector));
    const index = await ImageTextIndex.build(named(same));
    const found = await index.search({ vector: vectors[0]! }, { top: 400 });
    const equal = found.slice(0, 334).map(({ id }) => Number(id));
    expect(equal).toEqual(Array.from({ length: 334 }, (_, i) => 3 * i));
    expect((await index.search({ vector: vectors[0]! }, { top: 2 })).map(({ id }) => id)).toEqual(['0', '3']);
  });

  test('more than there are gives all, and an empty index nothing', async () => {
    const index = await ImageTextIndex.build(named(vectors.slice(0, 7)));
    expect(await index.search({ vector: queries[0]! }, { top: 50 })).toHaveLength(7);
    expect(await new ImageTextIndex().search({ vector: queries[0]! })).toEqual([]);
  });

  test('vectors of any length, and queries too', async () => {
    const index = await ImageTextIndex.build(named(vectors.map((vector, i) => vector.map((value) => value * (i + 1)))));
    const [query] = queries;
    const plain = await index.search({ vector: query! });
    expect(plain.map(({ id }) => id)).toEqual(
      bruteForce(vectors, query!)
        .slice(0, 10)
        .map(({ row }) => `${row}`),
    );
    const long = await index.search({ vector: Array.from(query!, (value) => value * 1e200) });
    expect(long.map(({ id }) => id)).toEqual(plain.map(({ id }) => id));
  });

  test('what is like an item begins with the item', async () => {
    const index = await ImageTextIndex.build(named(vectors));
    const [first] = await index.search({ id: '42' }, { top: 3 });
    expect(first).toEqual({ id: '42', score: expect.closeTo(1, 6) });
    await expect(index.search({ id: 'none' })).rejects.toThrow(/'none' is not in the index/);
  });

  test('by words and by pictures', () =>
    expectNoLeak(async () => {
      const index = await ImageTextIndex.build(
        [
          { id: 'rose', image: picture(250, 10, 20), metadata: { caption: 'a rose' } },
          { id: 'leaf', image: picture(10, 200, 30) },
          { id: 'sky', image: picture(40, 90, 255) },
          { id: 'mud', vector: [0.5, 0.3, 0.1] },
        ],
        { embedder: colours, batchSize: 3 },
      );
      const found = await index.search({ text: 'something red' }, { top: 2 });
      expect(found.map(({ id }) => id)).toEqual(['rose', 'mud']);
      expect(found[0]!.metadata).toEqual({ caption: 'a rose' });
      expect((await index.search({ image: picture(50, 100, 230) }, { top: 1 }))[0]!.id).toBe('sky');
    }));
});

describe('int8', () => {
  test('recall@10 against the exact search is above 95 % on random vectors', async () => {
    const many = randomVectors(5000, 32, 13);
    const index = await ImageTextIndex.build(named(many), { type: 'int8' });
    let found = 0;
    for (const query of randomVectors(20, 32, 14)) {
      const best = new Set(
        bruteForce(many, query)
          .slice(0, 10)
          .map(({ row }) => `${row}`),
      );
      found += (await index.search({ vector: query })).filter(({ id }) => best.has(id)).length;
    }
    expect(found / 200).toBeGreaterThan(0.95);
    expect(found / 200).toBeLessThan(1); // or it would not be int8 that was looked at
  });

  test('is exact for what its codes stand for', async () => {
    const index = await ImageTextIndex.build(named(vectors), { type: 'int8' });
    const kept = vectors.map((_, i) => index.get(`${i}`)!.vector);
    for (const query of queries)
      expect((await index.search({ vector: query })).map(({ id }) => id)).toEqual(
        bruteForce(kept, query)
          .slice(0, 10)
          .map(({ row }) => `${row}`),
      );
  });
});

describe('adding and removing', () => {
  test('removed items are gone, the others are found as before', async () => {
    const index = await ImageTextIndex.build(named(vectors));
    const gone = vectors.flatMap((_, i) => (i % 7 === 3 ? [`${i}`] : []));
    index.remove(gone);
    index.remove([]);
    expect(index.count).toBe(1000 - gone.length);
    expect(index.has('3')).toBe(false);
    const left = vectors.map((vector, i) => ({ id: `${i}`, vector })).filter(({ id }) => !gone.includes(id));
    expect(index.ids).toEqual(left.map(({ id }) => id));
    for (const query of queries)
      expect((await index.search({ vector: query })).map(({ id }) => id)).toEqual(
        bruteForce(
          left.map(({ vector }) => vector),
          query,
        )
          .slice(0, 10)
          .map(({ row }) => left[row]!.id),
      );
    await index.add([{ id: '3', vector: vectors[3]! }]);
    expect((await index.search({ vector: vectors[3]! }, { top: 1 }))[0]!.id).toBe('3');
    expect(() => index.remove(['5', 'none'])).toThrow(/'none' is not in the index/);
    expect(index.has('5')).toBe(true);
  });

  test('everything can be removed', async () => {
    const index = await ImageTextIndex.build(named(vectors.slice(0, 5)));
    index.remove(index.ids);
    expect(await index.search({ vector: queries[0]! })).toEqual([]);
    await index.add([{ id: 'again', vector: vectors[0]! }]);
    expect(await index.search({ vector: vectors[0]! })).toHaveLength(1);
  });

  test.each<[string, VectorItem[], typeof DataError | typeof UsageError, RegExp]>([
    ['another size', [{ id: 'x', vector: [1, 2] }], UsageError, /'x' has 2 numbers.*64/],
    ['not a number', [{ id: 'x', vector: new Float32Array(64).fill(Number.NaN) }], DataError, /'x' holds NaN at 0/],
    ['infinity', [{ id: 'x', vector: new Float32Array(64).fill(Infinity, 9) }], DataError, /'x' holds Infinity at 9/],
    ['no direction', [{ id: 'x', vector: new Float32Array(64) }], DataError, /no direction/],
    ['a name that is taken', [{ id: '5', vector: vectors[0]! }], UsageError, /'5' is in the index already/],
    [
      'a name twice',
      [...named(vectors.slice(0, 1)), ...named(vectors.slice(0, 1))].map(({ vector }) => ({ id: 'x', vector })),
      UsageError,
      /'x' is in the index already/,
    ],
  ])('%s is refused, and nothing of the batch is added', async (_, wrong, type, message) => {
    const index = await ImageTextIndex.build(named(vectors.slice(0, 10)));
    const items = [{ id: 'good', vector: vectors[20]! }, ...wrong];
    const failed = await index.add(items).catch((error: Error) => error);
    expect(failed).toBeInstanceOf(type);
    expect((failed as Error).message).toMatch(message);
    expect(index.count).toBe(10);
  });

  test('wrong questions are refused', async () => {
    const index = await ImageTextIndex.build(named(vectors.slice(0, 10)));
    await expect(index.search({ vector: [1, 2, 3] })).rejects.toThrow(/3 numbers.*64/);
    await expect(index.search({ vector: new Float32Array(64).fill(Number.NaN) })).rejects.toThrow(/NaN/);
    await expect(index.search({ vector: queries[0]! }, { top: 0 })).rejects.toThrow(/top is 0/);
    await expect(index.search({ text: 'a dog' })).rejects.toThrow(/embedder/);
    expect(() => new VectorTable(40_000, 'float32')).toThrow(/32768 at most/);
  });

  test('a build that is stopped keeps what was added', async () => {
    const index = new ImageTextIndex();
    const stop = new AbortController();
    const onProgress = (added: number) => added >= 64 && stop.abort(new Error('enough'));
    await expect(index.add(named(vectors), { signal: stop.signal, onProgress })).rejects.toThrow('enough');
    expect(index.count).toBe(64);
  });

  test('an embedder that fails leaves no tensors', () =>
    expectNoLeak(async () => {
      const failing: ImageTextEmbedder = { ...colours, embedImages: async () => rows([[0, 0, Number.NaN]]) };
      const adding = ImageTextIndex.build([{ id: 'x', image: picture(1, 2, 3) }], { embedder: failing });
      await expect(adding).rejects.toThrow(/'x' holds NaN/);
    }));
});

describe('near-duplicates', () => {
  /** Random vectors, and of some of them copies that are turned a little. */
  const base = randomVectors(600, 96, 11);
  const noise = randomVectors(600, 96, 12);
  const close = base.map((vector, i) => unit(vector.map((value, j) => value + (0.01 + i / 1500) * noise[i]![j]!)));
  const all = [...base, ...close];

  test.each([
    ['float32', 0.95],
    ['float32', 0.5],
    ['int8', 0.95],
  ] as const)('are all pairs that brute force finds: %s from %d', async (type, threshold) => {
    const index = await ImageTextIndex.build(named(all), { type });
    const kept = all.map((_, i) => index.get(`${i}`)!.vector);
    const expected: string[] = [];
    for (const [i, a] of kept.entries())
      for (let j = i + 1; j < kept.length; j++) {
        let product = 0;
        for (let k = 0; k < a.length; k++) product += a[k]! * kept[j]![k]!;
        if (product >= threshold) expected.push(`${i} ${j}`);
      }
    const found: string[] = [];
    for await (const { first, second, score } of index.nearDuplicates({ threshold })) {
      if (!(score >= threshold)) expect.fail(`${score} is below the threshold`);
      found.push(`${first} ${second}`);
    }
    expect(found).toEqual(expected);
    expect(expected.length).toBeGreaterThan(300);
  });

  test('copies are found at a threshold of 1', async () => {
    const index = await ImageTextIndex.build([...named(base), { id: 'copy', vector: base[17]! }]);
    const pairs = [];
    for await (const pair of index.nearDuplicates({ threshold: 1 })) pairs.push(pair);
    expect(pairs).toEqual([{ first: '17', second: 'copy', score: expect.closeTo(1, 6) }]);
  });

  test('thresholds that mean nothing are refused, and so is a change in between', async () => {
    const index = await ImageTextIndex.build(named(all));
    await expect(index.nearDuplicates({ threshold: 0 }).next()).rejects.toThrow(/threshold is 0/);
    await expect(index.nearDuplicates({ threshold: 1.1 }).next()).rejects.toThrow(/1 at most/);
    const pairs = index.nearDuplicates();
    await pairs.next();
    index.remove(['0']);
    await expect(pairs.next()).rejects.toThrow(/changed/);
    expect((await new ImageTextIndex().nearDuplicates().next()).done).toBe(true);
  });
});

describe('files', () => {
  test('an index that is saved and loaded finds the same', async () => {
    for (const type of ['float32', 'int8'] as const) {
      const index = await ImageTextIndex.build(
        named(randomVectors(5000, 20, 4)).map((item, i) => ({
          ...item,
          ...(i % 2 && { metadata: { caption: `nummer ${i} – ✓` } }),
        })),
        { type, metadata: { model: 'some/model' } },
      );
      const store = memoryStore();
      await index.save(store);
      const restored = await ImageTextIndex.load(store);
      expect([restored.type, restored.count, restored.size, restored.metadata]).toEqual([
        type,
        5000,
        20,
        { model: 'some/model' },
      ]);
      expect(restored.ids).toEqual(index.ids);
      for (const vector of randomVectors(5, 20, 9))
        expect(await restored.search({ vector })).toEqual(await index.search({ vector }));
    }
  });

  test('what is kept with an item can be replaced', async () => {
    const store = memoryStore();
    const index = await ImageTextIndex.build(named(randomVectors(5000, 8, 4)));
    await index.save(store);
    const before = await store.list('parts/');
    index.annotate('4500', { caption: 'new' });
    await index.save(store);
    expect((await store.list('parts/')).filter((name) => before.includes(name))).toHaveLength(1);
    const restored = await ImageTextIndex.load(store);
    expect(restored.get('4500')!.metadata).toEqual({ caption: 'new' });
    expect(restored.get('4499')!.metadata).toBeUndefined();
    expect(() => index.annotate('none', {})).toThrow(/'none' is not in the index/);
  });

  test('an empty index too', async () => {
    const store = memoryStore();
    await new ImageTextIndex({ type: 'int8' }).save(store);
    const restored = await ImageTextIndex.load(store);
    expect([restored.count, restored.type, restored.size]).toEqual([0, 'int8', undefined]);
    await restored.add(named(vectors));
    expect(restored.count).toBe(1000);
    restored.remove(restored.ids);
    await restored.save(store);
    expect((await ImageTextIndex.load(store)).count).toBe(0);
    expect(await store.list()).toEqual(['index.json']);
  });

  test('saving again writes what has changed alone, and removes what nobody names', async () => {
    const many = named(randomVectors(9000, 8, 4));
    const index = await ImageTextIndex.build(many.slice(0, 8500));
    const store = memoryStore();
    await index.save(store);
    const before = await store.list('parts/');
    expect(before).toHaveLength(3);
    const restored = await ImageTextIndex.load(store);
    await restored.add(many.slice(8500));
    await restored.save(store);
    const after = await store.list('parts/');
    expect(after).toHaveLength(3);
    expect(after.filter((name) => before.includes(name))).toHaveLength(2);
    restored.remove(['5000']);
    await restored.save(store);
    const last = await store.list('parts/');
    expect(last.filter((name) => after.includes(name))).toHaveLength(1);
    expect((await ImageTextIndex.load(store)).ids).toEqual(many.map(({ id }) => id).filter((id) => id !== '5000'));
    // Into another store everything goes.
    const other = memoryStore();
    await restored.save(other);
    expect((await ImageTextIndex.load(other)).count).toBe(8999);
  });

  test('a save that is cut off leaves the old index', async () => {
    const store = memoryStore();
    const index = await ImageTextIndex.build(named(vectors));
    await index.save(store);
    for (const failing of ['parts/', 'index.json']) {
      const changed = await ImageTextIndex.load(store);
      changed.remove(['0']);
      const broken = {
        ...store,
        async write(name: string, bytes: Uint8Array) {
          if (name.startsWith(failing)) throw new DataError('The disk is full.');
          await store.write(name, bytes);
        },
      };
      await expect(changed.save(broken)).rejects.toThrow('full');
      expect((await ImageTextIndex.load(store)).count).toBe(1000);
    }
  });

  test('nothing is added while it is saved', async () => {
    const index = await ImageTextIndex.build(named(vectors));
    const store = memoryStore();
    let written = () => {};
    const slow = new Promise<void>((resolve) => {
      written = resolve;
    });
    const saving = index.save({ ...store, write: (name, bytes) => slow.then(() => store.write(name, bytes)) });
    await expect(index.add([{ id: 'new', vector: vectors[0]! }])).rejects.toThrow(/being saved/);
    await expect(index.save(store)).rejects.toThrow(/being saved/);
    expect(() => index.remove(['0'])).toThrow(/being saved/);
    written();
    await saving;
    await index.add([{ id: 'new', vector: vectors[0]! }]);
  });

  test.each<[string, (store: ReturnType<typeof memoryStore>, part: string) => Promise<void>, RegExp]>([
    ['no manifest', (store) => store.remove('index.json'), /index\.json/],
    ['a manifest that is cut', (store) => cut(store, 'index.json'), /index\.json.*not JSON/],
    ['a manifest of something else', (store) => store.write('index.json', json({ format: 'other' })), /index\.json/],
    ['another count', (store) => edit(store, { count: 99 }), /says 99 vectors/],
    ['a size that is none', (store) => edit(store, { size: 1e12 }), /size: Invalid value/],
    ['a size too large', (store) => edit(store, { size: 30_000 }), /1000 vectors of 30000 numbers in/],
    ['another size', (store) => edit(store, { size: 32 }), /F32 \[1000,32\] but holds F32 \[1000,64\]/],
    ['another type', (store) => edit(store, { type: 'int8' }), /I8 \[1000,64\] but holds F32/],
    [
      'a part outside of the folder',
      (store) => edit(store, { parts: [{ file: '../other', count: 1000, bytes: 1 }] }),
      /parts/,
    ],
    ['a part that is gone', (store, part) => store.remove(part), /parts\/.*is not in/],
    ['a part that is cut', (store, part) => cut(store, part), /parts\/.*bytes, but index\.json says/],
    [
      'a vector that is not finite',
      (store, part) => poke(store, part, Number.NaN),
      /vector of '999' has the length NaN/,
    ],
    ['a vector that is changed', (store, part) => poke(store, part, 3), /vector of '999' has the length/],
    [
      'a header that is changed',
      async (store, part) => {
        const bytes = await store.read(part);
        bytes[20] = 0xff;
        await store.write(part, bytes);
      },
      /parts\/.*not a whole safetensors file/,
    ],
  ])('damage: %s', async (_, damage, message) => {
    const store = memoryStore();
    await (await ImageTextIndex.build(named(vectors))).save(store);
    await damage(store, (await store.list('parts/'))[0]!);
    const failed = await ImageTextIndex.load(store).catch((error: Error) => error);
    expect((failed as Error).message).toMatch(message);
    expect(failed).toBeInstanceOf(DataError);
  });

  test('sizes are compared before anything is read', async () => {
    const store = memoryStore();
    await (await ImageTextIndex.build(named(randomVectors(5000, 8, 4)))).save(store);
    const [first, second] = (await readManifest(store)).parts as { file: string }[];
    await cut(store, second!.file);
    const read: string[] = [];
    const watched = {
      ...store,
      read: (name: string) => {
        read.push(name);
        return store.read(name);
      },
    };
    await expect(ImageTextIndex.load(watched)).rejects.toThrow(second!.file);
    expect(read).not.toContain(first!.file);
  });
});

type Memory = ReturnType<typeof memoryStore>;
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const readManifest = async (store: Memory) => JSON.parse(new TextDecoder().decode(await store.read('index.json')));
const edit = async (store: Memory, change: object) =>
  store.write('index.json', json({ ...(await readManifest(store)), ...change }));
const cut = async (store: Memory, name: string) => store.write(name, (await store.read(name)).slice(0, -5));

/** Overwrites the last number of the last vector. */
async function poke(store: Memory, name: string, value: number): Promise<void> {
  const bytes = await store.read(name);
  bytes.set(new Uint8Array(Float32Array.of(value).buffer), bytes.length - 4);
  await store.write(name, bytes);
}
