import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { atStep, dropout, dropoutFactors } from '../../src/core/dropout';
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

test('locked, every row has one mask at all of its places, and other rows have others', () => {
  tf.tidy(() => {
    const drop = { rate: 0.3, random: new Random(4), locked: true };
    const [count, size] = [60, 100];
    // Rows that end one by one, in turn: 0 1 2 .. 59, 0 1 .. 58, ..
    const of = Array.from({ length: count }, (_, t) => Array.from({ length: count - t }, (_, row) => row)).flat();
    const dropped = dropout(tf.ones([of.length, size]), drop, 'words', () => ({ count, of }));
    const masks = dropped.arraySync() as number[][];
    for (const [place, row] of of.entries()) expect(masks[place]).toEqual(masks[row]);
    expect(new Set(masks.slice(0, count).map((mask) => mask.join())).size).toBe(count);
    const zeros =
      masks
        .slice(0, count)
        .flat()
        .filter((value) => value === 0).length /
      (count * size);
    expect(Math.abs(zeros - drop.rate)).toBeLessThan(0.03); // deviation sqrt(0.3 * 0.7 / 6000) = 0.006
    expect(atStep(drop, 3)).toBe(drop);
    const free = { ...drop, locked: false };
    expect(dropout(tf.ones([3, 50]), atStep(free, 3), 'layer1').dataSync()).not.toEqual(
      dropout(tf.ones([3, 50]), atStep(free, 4), 'layer1').dataSync(),
    );
  });
});

test('a part of a batch drops what it drops in the whole, whatever the order of its places', () => {
  const drop = { rate: 0.4, random: new Random(5) };
  const rows = (count: number, of: number[]) => ({ count, of });
  // 3 pictures with 2 captions each; their places stand step by step, and not all captions have three.
  const whole = dropoutFactors(rows(6, [0, 1, 2, 3, 4, 5, 0, 1, 2, 4, 5, 0, 2, 5]), 3, drop, 'words')!;
  const ofRows = (factors: Float32Array, places: number[]) =>
    places.flatMap((i) => [...factors.subarray(3 * i, 3 * i + 3)]);
  const part = { ...drop, part: { before: 1, images: 2 } };
  // The last two pictures, caption by caption
  const own = dropoutFactors(rows(4, [0, 0, 0, 1, 2, 2, 3, 3, 3]), 3, part, 'words')!;
  expect([...own]).toEqual(ofRows(whole, [2, 8, 12, 3, 4, 9, 5, 10, 13]));
  expect(dropoutFactors(rows(2, [0, 1]), 500, { ...drop, part: { before: 2, images: 1 } }, 'words')).toEqual(
    dropoutFactors(rows(6, [0, 1, 2, 3, 4, 5]), 500, drop, 'words')!.subarray(4 * 500),
  );
});
