import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { convolve, convolveChannels, type Movement } from '../../src/encoders/conv';
import { adaptiveAverage, averageAround, halve } from '../../src/encoders/pooling';
import { expectClose, expectNoLeak } from '../helpers';
import { expectSome, noise, type Some } from './formula';

await tf.setBackend('cpu');

type Case = { shape: number[]; options: Movement; y: Some; x: Some; w: Some };
const { convolutions }: { convolutions: Case[] } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../goldens/encoders.json'), 'utf8'),
);

test.each(convolutions)('a convolution $shape with $options and its gradients agree with PyTorch', (golden) =>
  expectNoLeak(() =>
    tf.tidy(() => {
      const [height, width, inputs, outputs] = golden.shape as [number, number, number, number];
      const { groups = 1 } = golden.options;
      const x = tf.tensor4d(noise('x', 2 * 7 * 9 * inputs * groups), [2, 7, 9, inputs * groups]);
      const inFile = tf.tensor4d(noise('w', height * width * inputs * outputs), [outputs, inputs, height, width]);
      const weight = tf.transpose<tf.Tensor4D>(inFile, [2, 3, 1, 0]);
      const bias = tf.tensor1d(noise('b', outputs));
      const run = (pixels: tf.Tensor4D, kernel: tf.Tensor4D) =>
        groups === outputs
          ? convolveChannels(pixels, tf.transpose(kernel, [0, 1, 3, 2]), golden.options, { bias })
          : convolve(pixels, kernel, golden.options, { bias });
      const y = run(x, weight);
      expectSome(y, golden.y);
      const above = tf.tensor4d(noise('gradient', y.size), y.shape);
      const [dx, dw] = tf.grads(run as (...values: tf.Tensor[]) => tf.Tensor)([x, weight], above);
      expectSome(dx!, golden.x);
      expectSome(dw!, golden.w);
    }),
  ),
);

test('averages go over what is there', () =>
  expectNoLeak(() =>
    tf.tidy(() => {
      const x = tf.tensor4d([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 3, 3, 1]);
      expectClose(halve(x), [(1 + 2 + 4 + 5) / 4, (3 + 6) / 2, (7 + 8) / 2, 9], 1e-6);
      expectClose(adaptiveAverage(x, [1, 2]), [(1 + 2 + 4 + 5 + 7 + 8) / 6, (2 + 3 + 5 + 6 + 8 + 9) / 6], 1e-6);
      expect(adaptiveAverage(x, [5, 4]).shape).toEqual([1, 5, 4, 1]);
      const corner = 1 + 2 + 4 + 5;
      expectClose(tf.slice(averageAround(x, true), 0, [1, 1, 1, 1]), [corner / 9], 1e-6);
      expectClose(tf.slice(averageAround(x, false), 0, [1, 1, 1, 1]), [corner / 4], 1e-6);
    }),
  ));
