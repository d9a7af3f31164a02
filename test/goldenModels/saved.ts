import type * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import type { GoldenCase } from '../goldenCase';
import { expectClose } from '../helpers';

/**
 * Compares what a model saves with what the case's file holds, number by number. The tensors are disposed.
 *
 * An untied head's bias is saved under two names, since versions of transformers differ in where they look for it.
 *
 * @param left - what files hold and models need not save
 */
export async function expectSavedWhole(
  saved: Iterable<readonly [string, tf.Tensor]>,
  { source }: GoldenCase,
  left: (name: string) => boolean = () => false,
): Promise<void> {
  const entries = new Map(saved);
  const twice = (key: string) => key.endsWith('predictions.decoder.bias') && !source.tensors.has(key);
  expect([...entries.keys()].filter((key) => !twice(key)).sort()).toEqual(
    [...source.tensors.keys()].filter((key) => !left(key)).sort(),
  );
  for (const [key, value] of entries) {
    if (!twice(key)) {
      expect(value.shape, key).toEqual(source.tensors.get(key)!.shape);
      expectClose(value, await source.read(key), 0);
    }
    value.dispose();
  }
}
