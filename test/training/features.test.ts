import * as tf from '@tensorflow/tfjs';
import { describe, expect, test, vi } from 'vitest';
import { encodeImages } from '../../src/captioner';
import { parametersOf } from '../../src/core/parameters';
import { Random } from '../../src/core/random';
import { datasetOf } from '../../src/data/dataset';
import type { Example } from '../../src/data/types';
import { ConvEncoder } from '../../src/encoders/convEncoder';
import type { Encoder } from '../../src/encoders/types';
import { float16ToFloat32, float32ToFloat16 } from '../../src/io/float16';
import { batchesAhead, type FeatureCache, featureReader } from '../../src/training/features';
import { expectClose, expectNoLeak } from '../helpers';
import { tinyPicture } from './tiny';

await tf.setBackend('cpu');

const example = (id: string, picture: number): Example => ({
  id,
  image: async () => tinyPicture(picture),
  captions: [],
  split: 'train',
});
const examples = ['a', 'b', 'c'].map((id, i) => example(id, i));

/** A cache in memory that rounds to float16, with the features by key in sight. */
function memoryCache(): FeatureCache & { kept: Map<string, Float32Array> } {
  const kept = new Map<string, Float32Array>();
  return {
    kept,
    of: async ({ fingerprint }) => ({
      get: async (picture) => kept.get(`${fingerprint}-${picture}`),
      put: async (picture, features) => {
        const rounded = float16ToFloat32(float32ToFloat16(features));
        kept.set(`${fingerprint}-${picture}`, rounded);
        return rounded;
      },
    }),
  };
}

/** An encoder that counts the pictures it sees. */
function counting(encoder: Encoder): Encoder & { seen: number } {
  const watched = Object.assign(Object.create(encoder), {
    seen: 0,
    encode(pixels: tf.Tensor4D) {
      watched.seen += pixels.shape[0];
      return encoder.encode(pixels);
    },
  });
  return watched;
}

const encoderOf = (seed = 1, channels = [4, 5]) =>
  new ConvEncoder({ type: 'conv', imageSize: 8, channels }, new Random(seed));

test('without a cache features are those of the encoder, and it sees every picture every time', () =>
  expectNoLeak(async () => {
    const encoder = counting(encoderOf());
    const read = featureReader(encoder);
    const [first, second] = [await read(examples), await read(examples)];
    const expected = await encodeImages(encoder, [0, 1, 2].map(tinyPicture));
    expectClose(first, expected, 0);
    expectClose(second, expected, 0);
    expect(encoder.seen).toBe(9);
    tf.dispose([first, second, expected]);
    encoder.dispose();
  }));

test('with a cache it sees every picture once, over readers too; order and mixture do not matter', () =>
  expectNoLeak(async () => {
    const encoder = counting(encoderOf());
    const exact = await encodeImages(encoder, [0, 1, 2].map(tinyPicture));
    const rounded = float16ToFloat32(float32ToFloat16(exact.dataSync() as Float32Array));
    encoder.seen = 0;
    const cache = memoryCache();
    const read = featureReader(encoder, cache);
    const size = rounded.length / 3;
    const expectRows = async (reader: typeof read, order: number[]) => {
      const features = await reader(order.map((i) => examples[i]!));
      expect(features.shape).toEqual([order.length, 4, 5]);
      // What is encoded anew is rounded as what is read: a run that finds the cache filled learns the same.
      expectClose(
        features,
        order.flatMap((i) => [...rounded.subarray(i * size, (i + 1) * size)]),
        0,
      );
      features.dispose();
    };
    await expectRows(read, [1]);
    expect(encoder.seen).toBe(1);
    await expectRows(read, [2, 1, 0]);
    expect(encoder.seen).toBe(3);
    await expectRows(read, [0, 1, 2]);
    await expectRows(featureReader(encoder, cache), [2, 0]);
    expect(encoder.seen).toBe(3);
    exact.dispose();
    encoder.dispose();
  }));

test('pictures are not even opened once their key is known', async () => {
  const encoder = encoderOf();
  let opened = 0;
  const watched = datasetOf([{ id: 'a', captions: [], split: 'train' }], async () => {
    opened++;
    return tinyPicture(0);
  });
  const read = featureReader(encoder, memoryCache());
  for (let i = 0; i < 3; i++) (await read([await watched.at(0)])).dispose();
  expect(opened).toBe(1);
  encoder.dispose();
});

test('the flipped view has a key of its own; a random view is encoded every time and not kept', async () => {
  const encoder = counting(encoderOf());
  const cache = memoryCache();
  const read = featureReader(encoder, cache);
  const viewed = (view: 'flipped' | 'random', picture: number): Example => ({ ...example('a', picture), view });
  const all = [example('a', 0), viewed('flipped', 1), viewed('random', 2)];
  const exact = await encodeImages(encoder, [0, 1, 2].map(tinyPicture));
  encoder.seen = 0;
  for (const seen of [3, 4]) {
    const features = await read(all);
    expectClose(features, exact, 1e-3);
    features.dispose();
    expect(encoder.seen).toBe(seen);
    expect(cache.kept.size).toBe(2);
  }
  exact.dispose();
  encoder.dispose();
});

test('positions before those of the grid are kept too', async () => {
  const encoder = encoderOf();
  const withToken: Encoder = Object.assign(Object.create(encoder), {
    leading: 1,
    encode: (pixels: tf.Tensor4D) => {
      const seen = encoder.encode(pixels);
      return tf.concat([tf.mean(seen, 1, true), seen], 1);
    },
  });
  const read = featureReader(withToken, memoryCache());
  for (let time = 0; time < 2; time++) {
    const features = await read(examples);
    expect(features.shape).toEqual([3, 5, 5]);
    features.dispose();
  }
  encoder.dispose();
});

test.each([undefined, memoryCache()])(
  'pictures are read before they are asked for, each once, and errors wait',
  async (cache) => {
    const encoder = encoderOf();
    const opened: string[] = [];
    const watched = examples.map(
      (each): Example => ({
        ...each,
        image: async () => {
          opened.push(each.id);
          if (each.id === examples[2]!.id) throw new Error('no such file');
          return each.image();
        },
      }),
    );
    const read = featureReader(encoder, cache);
    read.ahead(watched);
    read.ahead(watched.slice(0, 1));
    await vi.waitFor(() => expect(opened.sort()).toEqual(examples.map(({ id }) => id).sort()));
    const features = await read(watched.slice(0, 2));
    const expected = await encodeImages(encoder, [0, 1].map(tinyPicture));
    expectClose(features, expected, 1e-3);
    expect(opened).toHaveLength(3);
    await expect(read(watched)).rejects.toThrow('no such file');
    tf.dispose([features, expected]);
    encoder.dispose();
  },
);

test('while a batch is used, the pictures of the next one are read, and no more', async () => {
  const begun: string[][] = [];
  const read = Object.assign(async () => tf.zeros<tf.Rank.R3>([1, 1, 1]), {
    ahead: (batch: readonly Example[]) => void begun.push(batch.map(({ id }) => id)),
  });
  const data = datasetOf(
    ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id, captions: ['x'], split: 'train' as const })),
    async () => tinyPicture(1),
  );
  const batches = batchesAhead(data, 2, read);
  expect((await batches.next()).value).toMatchObject([{ id: 'a' }, { id: 'b' }]);
  expect(begun).toEqual([
    ['a', 'b'],
    ['c', 'd'],
  ]);
  await batches.next();
  expect((await batches.next()).value).toMatchObject([{ id: 'e' }]);
  expect((await batches.next()).done).toBe(true);
  const some: unknown[] = [];
  for await (const batch of batchesAhead(data, 2, read, 3)) some.push(batch.length);
  expect(some).toEqual([2, 1]);
});

test('a picture that was looked for ahead before it was kept is encoded once', () =>
  expectNoLeak(async () => {
    const encoder = counting(encoderOf());
    const kept = new Map<string, Float32Array>();
    const get = vi.fn(async (picture: string) => kept.get(picture));
    const put = async (picture: string, features: Float32Array) => {
      kept.set(picture, features);
      return features;
    };
    const read = featureReader(encoder, { of: async () => ({ get, put }) });
    const again = examples.map((each) => ({ ...each })); // as the next epoch has them
    read.ahead(examples);
    read.ahead(again);
    await vi.waitFor(() => expect(get).toHaveBeenCalledTimes(6)); // nothing is kept yet
    const [first, second] = [await read(examples), await read(again)];
    expect(encoder.seen).toBe(3);
    expectClose(second, first.dataSync(), 0);
    tf.dispose([first, second]);
    encoder.dispose();
  }));

describe('a key', () => {
  async function keyOf(encoder: Encoder, picture: Example): Promise<string> {
    const cache = memoryCache();
    (await featureReader(encoder, cache)([picture])).dispose();
    const [key] = cache.kept.keys();
    return key!;
  }

  test('goes by the content of the picture, not by its name', async () => {
    const encoder = encoderOf();
    expect(await keyOf(encoder, example('other name', 0))).toBe(await keyOf(encoder, examples[0]!));
    expect(await keyOf(encoder, example('a', 1))).not.toBe(await keyOf(encoder, examples[0]!));
    // The same bytes in another shape are another picture.
    const { data } = tinyPicture(0);
    const wide: Example = { ...examples[0]!, image: async () => ({ data, width: 16, height: 4, channels: 3 }) };
    expect(await keyOf(encoder, wide)).not.toBe(await keyOf(encoder, examples[0]!));
    encoder.dispose();
  });

  test('changes with any weight, the configuration and the preprocessing', async () => {
    const encoder = encoderOf();
    const key = await keyOf(encoder, examples[0]!);
    const same = encoderOf();
    expect(await keyOf(same, examples[0]!)).toBe(key);
    const bias = parametersOf(same.params).get('1.bias')!;
    tf.tidy(() => bias.assign(tf.add(bias, tf.tensor1d([0, 0, 0, 0, 1e-7]))));
    const others: Encoder[] = [
      same,
      encoderOf(2),
      Object.assign(Object.create(encoder), { preprocessing: { ...encoder.preprocessing, mean: 127 } }),
      Object.assign(Object.create(encoder), { config: { ...encoder.config, type: 'conv-2' } }),
    ];
    const keys = await Promise.all(others.map((other) => keyOf(other, examples[0]!)));
    expect(new Set([key, ...keys]).size).toBe(5);
    for (const each of [encoder, same, others[1]!]) each.dispose();
  });
});

test('an encoder or a cache that fails leaves nothing behind', () =>
  expectNoLeak(async () => {
    const encoder = encoderOf();
    const broken: Encoder = Object.assign(Object.create(encoder), {
      encode(pixels: tf.Tensor4D) {
        tf.square(pixels);
        throw new Error('no features');
      },
    });
    await expect(featureReader(broken)(examples)).rejects.toThrow('no features');
    await expect(featureReader(broken, memoryCache())(examples)).rejects.toThrow('no features');
    const full: FeatureCache = {
      of: async () => ({
        get: async () => undefined,
        put: async () => {
          throw new Error('the disk is full');
        },
      }),
    };
    await expect(featureReader(encoder, full)(examples)).rejects.toThrow('the disk is full');
    encoder.dispose();
  }));
