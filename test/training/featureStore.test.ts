import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { DataError, UsageError } from '../../src/core/errors';
import { Random } from '../../src/core/random';
import { float16ToFloat32, float32ToFloat16 } from '../../src/io/float16';
import { readSafetensors } from '../../src/io/safetensors';
import { memoryStore } from '../../src/io/stores';
import type { Store } from '../../src/io/types';
import { openFeatureStore } from '../../src/training/featureStore';
import type { EncoderIdentity } from '../../src/training/features';
import { identify } from '../../src/training/features';
import { tinyCaptioner } from './tiny';

await tf.setBackend('cpu');

const [positions, featureSize] = [3, 5];
const identity: EncoderIdentity = {
  encoder: { type: 'conv', channels: [4, 5] },
  preprocessing: { size: [8, 8], resize: 'squash', filter: 'bilinear', mean: 0, scale: 1 / 255 },
  weights: 'a'.repeat(32),
  ...{ positions, featureSize },
  fingerprint: 'f'.repeat(32),
};

const keyOf = (i: number) => i.toString(16).padStart(32, '0');
const featuresOf = (i: number) => new Random(i).normal(positions * featureSize).map((value) => 3 * value);
const half = (values: Float32Array) => float16ToFloat32(float32ToFloat16(values));

const shardsIn = (store: Store) => store.list('shards/');

/** A store with features of pictures 0 to `count`, some to a file. */
async function filled(store: Store, count: number, options: Parameters<typeof openFeatureStore>[2] = {}) {
  const features = await openFeatureStore(store, identity, { shardBytes: 3 * positions * featureSize * 2, ...options });
  for (let i = 0; i < count; i++) await features.put(keyOf(i), featuresOf(i));
  await features.flush();
  return features;
}

test('what is put is there at once and after opening again, by its range, rounded to float16', async () => {
  const store = memoryStore();
  const features = await openFeatureStore(store, identity, { shardBytes: 3 * positions * featureSize * 2 });
  for (let i = 0; i < 8; i++) {
    expect(await features.put(keyOf(i), featuresOf(i))).toEqual(half(featuresOf(i)));
    expect(await features.get(keyOf(i))).toEqual(half(featuresOf(i)));
    expect(features.size).toBe(i + 1);
  }
  expect(await shardsIn(store)).toHaveLength(2);
  await features.flush();
  await features.flush();
  expect(await shardsIn(store)).toHaveLength(3);
  const asked: number[] = [];
  const watched: Store = {
    ...store,
    read: (name, range) => {
      if (name.startsWith('shards/')) asked.push(range ? range.end - range.start : Infinity);
      return store.read(name, range);
    },
  };
  const again = await openFeatureStore(watched, identity);
  expect(again.size).toBe(8);
  asked.length = 0;
  for (let i = 0; i < 8; i++) expect(await again.get(keyOf(i))).toEqual(half(featuresOf(i)));
  expect(asked).toEqual(Array.from({ length: 8 }, () => positions * featureSize * 2));
  expect(await again.get(keyOf(9))).toBeUndefined();
  expect([again.has(keyOf(7)), again.has(keyOf(9))]).toEqual([true, false]);
});

test('int8 is off by half a step of its position at most, and keeps zeros of a ReLU', async () => {
  const store = memoryStore();
  const rows = featuresOf(1).map((value) => Math.max(0, value));
  rows.fill(2.5, 2 * featureSize); // a position that is the same everywhere
  const features = await openFeatureStore(store, identity, { dtype: 'int8' });
  const put = await features.put(keyOf(1), rows);
  await features.flush();
  const again = await openFeatureStore(store, identity);
  expect(again.dtype).toBe('int8');
  const found = (await again.get(keyOf(1)))!;
  expect(found).toEqual(put);
  let worst = 0;
  for (let position = 0; position < positions; position++) {
    const own = rows.slice(position * featureSize, (position + 1) * featureSize);
    const range = Math.max(...own) - Math.min(...own);
    for (let i = 0; i < featureSize; i++) {
      const error = Math.abs(found[position * featureSize + i]! - own[i]!);
      expect(error).toBeLessThanOrEqual(range / 510 + 1e-6);
      worst = Math.max(worst, error);
      if (own[i] === 0) expect(found[position * featureSize + i]).toBe(0);
    }
  }
  expect(worst).toBeGreaterThan(0); // it is rounded indeed
});

test('a file is safetensors that anybody can read', async () => {
  const store = memoryStore();
  await filled(store, 2);
  const [name] = await shardsIn(store);
  const { tensors } = readSafetensors(await store.read(name!));
  expect([...tensors].map(([tensor, { dtype, shape }]) => [tensor, dtype, shape])).toEqual([
    ['features', 'F16', [2, positions, featureSize]],
    ['checksums', 'U8', [2, 8]],
    ['keys', 'U8', [2, 16]],
  ]);
});

describe('another encoder is refused, and what differs is said', () => {
  test.each<[string, Partial<EncoderIdentity>, string]>([
    [
      'preprocessing',
      { preprocessing: { ...identity.preprocessing, mean: 127 } },
      'preprocessing.mean was 0 and is 127',
    ],
    [
      'size',
      { preprocessing: { ...identity.preprocessing, size: [9, 8] } },
      'preprocessing.size was [8,8] and is [9,8]',
    ],
    [
      'configuration',
      { encoder: { type: 'vit' } },
      'encoder.type was "conv" and is "vit"; encoder.channels was [4,5] and is absent',
    ],
    ['weights', { weights: 'b'.repeat(32) }, 'the weights of the encoder are others'],
    ['positions', { positions: 4 }, 'positions was 3 and is 4'],
  ])('%s', async (_, change, message) => {
    const store = memoryStore();
    const features = await filled(store, 1);
    const other = { ...identity, ...change };
    await expect(openFeatureStore(store, other)).rejects.toThrow(DataError);
    await expect(openFeatureStore(store, other)).rejects.toThrow(message);
    await expect(features.of(other)).rejects.toThrow(message);
    expect(await features.of({ ...identity })).toBe(features);
  });

  test('and another type of values', async () => {
    const store = memoryStore();
    await filled(store, 1);
    await expect(openFeatureStore(store, identity, { dtype: 'int8' })).rejects.toThrow(UsageError);
    await expect(openFeatureStore(store, identity, { dtype: 'int8' })).rejects.toThrow('are f16, not int8');
  });

  test('the identity changes with any weight', async () => {
    const captioner = tinyCaptioner();
    const before = await identify(captioner.encoder);
    const [bias] = [...captioner.parameters()].filter(([name]) => name === 'encoder.1.bias').map(([, value]) => value);
    tf.tidy(() => bias!.assign(tf.add(bias!, 1e-6)));
    const after = await identify(captioner.encoder);
    expect(after.weights).not.toBe(before.weights);
    expect(after.fingerprint).not.toBe(before.fingerprint);
    expect({ ...after, weights: '', fingerprint: '' }).toEqual({ ...before, weights: '', fingerprint: '' });
    captioner.dispose();
    captioner.encoder.dispose();
  });
});

describe('damage', () => {
  test.each(['f16', 'int8'] as const)('a byte flipped anywhere never gives wrong features: %s', async (dtype) => {
    const store = memoryStore();
    await filled(store, 2, { dtype });
    const [name] = await shardsIn(store);
    const whole = await store.read(name!);
    const good = await Promise.all([0, 1].map(async (i) => (await openFeatureStore(store, identity)).get(keyOf(i))));
    for (let at = 0; at < whole.length; at++) {
      const copy = memoryStore();
      await copy.write('features.json', await store.read('features.json'));
      await copy.write(
        name!,
        Uint8Array.from(whole, (byte, i) => (i === at ? byte ^ 0x41 : byte)),
      );
      const opened = await openFeatureStore(copy, identity);
      const found = await Promise.all([0, 1].map((i) => opened.get(keyOf(i))));
      for (const [i, values] of found.entries()) expect([undefined, good[i]], `byte ${at}`).toContainEqual(values);
      // Padding of the header may change without harm; anything else costs a picture, or the file and says so.
      if (found.every((values) => values)) expect(whole[at], `byte ${at}`).toBe(0x20);
      if (opened.size === 0) expect(opened.damaged[0]).toContain(name);
      // What is lost can be put anew, and is found behind the damaged one.
      for (const i of [0, 1]) if (!found[i]) await opened.put(keyOf(i), featuresOf(i));
      await opened.flush();
      const mended = await openFeatureStore(copy, identity);
      for (const i of [0, 1]) expect(await mended.get(keyOf(i)), `byte ${at}`).toEqual(good[i]);
    }
  });

  test('a file that was cut is passed over, and named', async () => {
    const store = memoryStore();
    await filled(store, 6);
    const [first] = await shardsIn(store);
    await store.write(first!, (await store.read(first!)).slice(0, -1));
    const opened = await openFeatureStore(store, identity);
    expect(opened.size).toBe(3);
    expect(opened.damaged).toHaveLength(1);
    expect(opened.damaged[0]).toContain(first);
  });

  test('a write that fails keeps what it should have written, and can be repeated', async () => {
    const store = memoryStore();
    let full = true;
    const failing: Store = {
      ...store,
      write: async (name, bytes) => {
        if (full && name.startsWith('shards/')) throw new DataError('the disk is full');
        await store.write(name, bytes);
      },
    };
    const features = await openFeatureStore(failing, identity);
    await features.put(keyOf(1), featuresOf(1));
    await expect(features.flush()).rejects.toThrow('the disk is full');
    expect(await features.get(keyOf(1))).toEqual(half(featuresOf(1)));
    full = false;
    await features.flush();
    expect((await openFeatureStore(store, identity)).size).toBe(1);
  });
});

test('puts at the same time, and two writers of one store, do not mix', async () => {
  const store = memoryStore();
  const options = { shardBytes: 4 * positions * featureSize * 2 };
  const [one, other] = [
    await openFeatureStore(store, identity, options),
    await openFeatureStore(store, identity, options),
  ];
  await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 ? one : other).put(keyOf(i), featuresOf(i))));
  await Promise.all([one.flush(), other.flush()]);
  const opened = await openFeatureStore(store, identity);
  expect(opened.size).toBe(40);
  for (let i = 0; i < 40; i++) expect(await opened.get(keyOf(i))).toEqual(half(featuresOf(i)));
});

test('values that cannot be kept, and features of another size, are refused', async () => {
  const large = featuresOf(1);
  large[7] = 70_000;
  const f16 = await openFeatureStore(memoryStore(), identity);
  await expect(f16.put(keyOf(1), large)).rejects.toThrow('float16 cannot keep');
  const int8 = await openFeatureStore(memoryStore(), identity, { dtype: 'int8' });
  expect((await int8.put(keyOf(1), large))[7]).toBeCloseTo(70_000, 0);
  large[7] = Number.NaN;
  await expect(int8.put(keyOf(1), large)).rejects.toThrow('not a finite number');
  await expect(f16.put(keyOf(1), large)).rejects.toThrow('float16 cannot keep');
  await expect(f16.put(keyOf(1), new Float32Array(4))).rejects.toThrow(UsageError);
  await expect(f16.put('x', featuresOf(1))).rejects.toThrow('32 hexadecimal digits');
});
