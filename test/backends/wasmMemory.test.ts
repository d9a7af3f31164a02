import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { selectBackend } from '../../src/node/backends';

test('where the memory of wasm ends it says what to do, and what it holds is whole', async () => {
  await selectBackend({ prefer: 'wasm', threads: 1 });
  const kept = tf.tensor1d([1, 2, 3]);
  expect((await tf.square(kept).data())[2]).toBe(9);
  const backend = tf.backend() as unknown as { makeOutput(shape: number[], dtype: 'float32'): tf.TensorInfo };
  const held: tf.TensorInfo[] = [];
  const fill = () => {
    for (let i = 0; i < 5; i++) held.push(backend.makeOutput([2 ** 28 - 1], 'float32')); // 1 GiB each
  };
  expect(fill).toThrow(/no room for 1024 MiB more.*ends at 4 GiB.*smaller batches/);
  expect(held.length).toBeGreaterThan(1);
  for (const { dataId } of held) tf.backend().disposeData(dataId);
  expect([...(await tf.square(kept).data())]).toEqual([1, 4, 9]);
});
