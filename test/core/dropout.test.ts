import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { dropout } from '../../src/core/dropout';
import { Random } from '../../src/core/random';
import { expectClose, expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

test('drops the asked share and scales the others, so that the mean stays', () =>
  expectNoLeak(() => {
    tf.tidy(() => {
      const rate = 0.3;
      const dropped = dropout(tf.fill([100, 200], 2), { rate, random: new Random(1) }, 'words');
      expect(dropped.shape).toEqual([100, 200]);
      const values = dropped.dataSync();
      const zeros = values.filter((value) => value === 0).length / values.length;
      expect(Math.abs(zeros - rate)).toBeLessThan(0.015); // deviation sqrt(0.3 * 0.7 / 20000) = 0.0032
      expectClose(
        values.filter((value) => value !== 0),
        new Float32Array(Math.round((1 - zeros) * values.length)).fill(2 / 0.7),
        1e-6,
      );
      // Neither whole rows nor whole columns: every row keeps its share.
      const rows = tf.mean(dropped, 1).dataSync();
      expect(rows.every((mean) => Math.abs(mean - 2) < 0.7)).toBe(true);
    });
  }));

test('the mask follows from the source and the name alone', () => {
  tf.tidy(() => {
    const ones = tf.ones([50]);
    const mask = (seed: number, name: string) => [
      ...dropout(ones, { rate: 0.5, random: new Random(seed) }, name).dataSync(),
    ];
    expect(mask(1, 'words')).toEqual(mask(1, 'words'));
    expect(mask(1, 'words')).not.toEqual(mask(1, 'hidden'));
    expect(mask(1, 'words')).not.toEqual(mask(2, 'words'));
  });
});

test('gradients pass where values did, with the same factor', () => {
  tf.tidy(() => {
    const drop = { rate: 0.4, random: new Random(3) };
    const input = tf.ones([40]);
    const gradient = tf.grad((x) => dropout(x, drop, 'words'))(input);
    expectClose(gradient, dropout(input, drop, 'words'), 0);
  });
});

test('without dropout nothing is touched', () => {
  tf.tidy(() => {
    const input = tf.ones([4]);
    expect(dropout(input, undefined, 'words')).toBe(input);
    expect(dropout(input, { rate: 0, random: new Random(1) }, 'words')).toBe(input);
  });
});
