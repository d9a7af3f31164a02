import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { constant } from '../../src/core/constant';
import { embed } from '../../src/core/embedding';
import { expectClose, expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

test('the row of padding is read like others and gets no gradient', () =>
  expectNoLeak(() =>
    tf.tidy(() => {
      const table = tf.tensor2d([0, 1, 2, 3, 4, 5, 6, 7], [4, 2]);
      const ids = tf.tensor2d([[1, 0, 3], [3, 1, 1]], [2, 3], 'int32'); // biome-ignore format: rows
      const factors = tf.tensor3d([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [2, 3, 2]);
      expectClose(embed(table, ids, 1), embed(table, ids), 0);
      const gradient = (padId?: number) => tf.grad((x) => tf.mul(embed(x as tf.Tensor2D, ids, padId), factors))(table);
      expectClose(gradient(), [3, 4, 21, 24, 0, 0, 12, 14], 0);
      expectClose(gradient(1), [3, 4, 0, 0, 0, 0, 12, 14], 0);
      expectClose(gradient(3), [3, 4, 21, 24, 0, 0, 0, 0], 0);
    }),
  ));

test('no gradient goes through a constant', () =>
  expectNoLeak(() =>
    tf.tidy(() => {
      const x = tf.tensor1d([1, 2, 3]);
      expect(constant(x).arraySync()).toEqual([1, 2, 3]);
      expectClose(tf.grad((y) => tf.mul(constant(y), y))(x), [1, 2, 3], 0);
    }),
  ));
