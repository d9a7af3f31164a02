import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { DataError, UsageError } from '../../src/core/errors';
import { float32Values, readSafetensors, storeFloat32, writeSafetensors } from '../../src/io/safetensors';
import { saveStateDict } from '../../src/io/saveStateDict';
import { memoryStore } from '../../src/io/stores';
import type { Store } from '../../src/io/types';
import { openWeights } from '../../src/io/weights';
import { expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

const entries = () =>
  ['a', 'b', 'c', 'd'].map((name, index): [string, tf.Tensor] => [
    name,
    tf.tensor(
      [0, 1, 2, 3, 4, 5].map((value) => value + index),
      [2, 3],
    ),
  ]);
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

/** A store that says how many bytes each read gave. */
function counting(store: Store) {
  const asked: number[] = [];
  const read: Store['read'] = async (name, range) => {
    const bytes = await store.read(name, range);
    asked.push(bytes.length);
    return bytes;
  };
  return { store: { ...store, read }, asked };
}

describe('a state dict', () => {
  test('is one file, of which each tensor is read alone', async () => {
    const { store, asked } = counting(memoryStore());
    await expectNoLeak(() => saveStateDict(store, entries(), { dispose: true }));
    expect(await store.list()).toEqual(['model.safetensors']);
    const bytes = await store.read('model.safetensors');
    expect([...readSafetensors(bytes).metadata]).toEqual([['format', 'pt']]);
    asked.length = 0;
    const source = await openWeights(store);
    expect([...source.tensors]).toEqual(
      ['a', 'b', 'c', 'd'].map((name) => [name, expect.objectContaining({ dtype: 'F32', shape: [2, 3] })]),
    );
    expect(asked).toEqual([8, bytes.length - 8 - 4 * 24]);
    expect([...(await source.read('b'))]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(asked.at(-1)).toBe(24);
    await expect(source.read('x')).rejects.toThrow(/no tensor 'x' in model.safetensors in memory/);
  });

  test('is several files where one would be too large, and takes the place of what was there', async () => {
    const store = memoryStore();
    await saveStateDict(store, entries(), { dispose: true });
    await saveStateDict(store, entries(), { shardSize: 50, dispose: true });
    const names = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    expect(await store.list()).toEqual([...names, 'model.safetensors.index.json']);
    const index = JSON.parse(new TextDecoder().decode(await store.read('model.safetensors.index.json')));
    expect(index).toEqual({
      metadata: { total_size: 96 },
      weight_map: { a: names[0], b: names[0], c: names[1], d: names[1] },
    });
    const source = await openWeights(store);
    expect([...source.tensors.keys()]).toEqual(['a', 'b', 'c', 'd']);
    expect([...(await source.read('d'))]).toEqual([3, 4, 5, 6, 7, 8]);
    await saveStateDict(store, entries(), { dtype: 'bfloat16', dispose: true });
    expect((await openWeights(store)).tensors.get('a')!.dtype).toBe('BF16');
    expect(await store.list()).not.toContain('model.safetensors.index.json');
  });

  test('bfloat16 rounds to the nearest, from the middle to the even one', () => {
    const bits = [0x3f808000, 0x3f818000, 0x3f807fff, 0x3f808001, 0x7f7fffff, 0xff800000, 0x00000001];
    const values = new Float32Array(Uint32Array.from(bits).buffer);
    const { data } = storeFloat32(values, [bits.length], 'BF16');
    const stored = [...new Uint16Array(data.buffer, data.byteOffset, bits.length)];
    expect(stored).toEqual([0x3f80, 0x3f82, 0x3f80, 0x3f81, 0x7f80, 0xff80, 0]);
    expect(float32Values(storeFloat32(Float32Array.of(Number.NaN), [1], 'BF16'))).toEqual(Float32Array.of(Number.NaN));
  });

  test('options that cannot be meant are refused', async () => {
    const none: [string, tf.Tensor][] = [];
    await expect(saveStateDict(memoryStore(), none, { shardSize: 0 })).rejects.toThrow(UsageError);
    await expect(saveStateDict(memoryStore(), none, { dtype: 'int8' as 'float32' })).rejects.toThrow(UsageError);
    const large = tf.tensor([1, -70000]);
    await expect(saveStateDict(memoryStore(), [['x', large]], { dtype: 'float16' })).rejects.toThrow(DataError);
    large.dispose();
    const truth = tf.tensor([1], [1], 'bool');
    await expect(saveStateDict(memoryStore(), [['x', truth]])).rejects.toThrow(/type bool/);
    truth.dispose();
  });
});

describe('weights that do not fit are refused by name', () => {
  const one = writeSafetensors([['x', storeFloat32(Float32Array.of(1), [1])]]);
  const two = writeSafetensors([['y', storeFloat32(Float32Array.of(2), [1])]]);
  const refused = async (files: Record<string, Uint8Array>, message: RegExp, file?: string) => {
    const store = memoryStore();
    for (const [name, bytes] of Object.entries(files)) await store.write(name, bytes);
    const error = await openWeights(store, file === undefined ? {} : { file }).catch((reason: unknown) => reason);
    expect((error as Error).message).toMatch(message);
    return error;
  };
  const index = 'model.safetensors.index.json';

  test.each<[string, Record<string, Uint8Array>, RegExp]>([
    ['none', { 'config.json': json({}) }, /no weights in memory: none of model\.safetensors/],
    ['several', { 'a.safetensors': one, 'b.bin': one }, /several files of weights: a\.safetensors, b\.bin/],
    ['cut', { 'model.safetensors': one.subarray(0, one.length - 1) }, /model\.safetensors in memory: .*cut short/],
    ['too short for a header', { 'model.safetensors': one.subarray(0, 5) }, /5 bytes, fewer than the 8/],
    ['an index of nothing', { [index]: json({ weight_map: 3 }) }, /weight_map/],
    ['an index that is no JSON', { [index]: json({}).subarray(1) }, /is not JSON/],
    [
      'a part that is not there',
      { [index]: json({ weight_map: { x: '1.safetensors', y: '2.safetensors' } }), '1.safetensors': one },
      /not there: 2\.safetensors/,
    ],
    ['a part outside', { [index]: json({ weight_map: { x: '../1.safetensors' } }) }, /cannot be a name/],
    [
      'a tensor that is elsewhere',
      { [index]: json({ weight_map: { x: '2', y: '1' } }), '1': one, '2': two },
      /x is not in 2\n.*|y is not in 1/,
    ],
    [
      'a tensor in two parts',
      { [index]: json({ weight_map: { x: '1', z: '2' } }), '1': one, '2': one },
      /x is in 2 and in another/,
    ],
  ])('%s', async (_, files, message) => {
    expect(await refused(files, message)).toBeInstanceOf(DataError);
  });

  test('a kind of file that is not read', async () => {
    expect(await refused({ 'model.onnx': one }, /is no file of weights/, 'model.onnx')).toBeInstanceOf(UsageError);
    expect(await refused({}, /'x\.bin' is not in memory/, 'x.bin')).toBeInstanceOf(DataError);
  });

  test('one file of another name is found', async () => {
    const store = memoryStore();
    await store.write('mine.safetensors', one);
    expect([...(await openWeights(store)).tensors.keys()]).toEqual(['x']);
  });
});
