import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { DataError } from '../../src/core/errors';
import { Random } from '../../src/core/random';
import { ConvEncoder } from '../../src/encoders/convEncoder';
import { createEncoder } from '../../src/encoders/create';
import { expectClose, expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

test('positions go row by row, and every layer halves the grid', () =>
  expectNoLeak(() => {
    const encoder = new ConvEncoder({ type: 'conv', imageSize: 4, channels: [1] }, new Random(1));
    expect(encoder.grid).toEqual([2, 2]);
    expect(encoder.featureSize).toBe(1);
    tf.tidy(() => {
      // The middle of each window and channel 1 alone: with stride 2 it stands on rows and columns 1 and 3.
      const { weight, bias } = encoder.params[0]!;
      const centre = tf.oneHot(tf.tensor1d([(1 * 3 + 1) * 3 + 1], 'int32'), 27);
      (weight as tf.Variable<tf.Rank.R4>).assign(tf.reshape(tf.cast(centre, 'float32'), [3, 3, 3, 1]));
      (bias as tf.Variable<tf.Rank.R1>).assign(tf.tensor1d([-1]));
      const pixels = tf.reshape(tf.range(0, 48), [1, 4, 4, 3]) as tf.Tensor4D;
      const at = (row: number, column: number) => (row * 4 + column) * 3 + 1 - 1;
      const features = encoder.encode(pixels);
      expect(features.shape).toEqual([1, 4, 1]);
      expectClose(features, [at(1, 1), at(1, 3), at(3, 1), at(3, 3)], 1e-6);
      // ReLU: what is below zero is nothing.
      expectClose(encoder.encode(tf.neg(pixels)), [0, 0, 0, 0], 0);
    });
    encoder.dispose();
  }));

test('sizes that cannot be halved, and pictures of another size, are refused', () =>
  expectNoLeak(() => {
    for (const [imageSize, channels] of [
      [10, [4, 4]],
      [8, []],
    ] as const)
      expect(() => new ConvEncoder({ type: 'conv', imageSize, channels: [...channels] }, new Random(1))).toThrow(
        `imageSize ${imageSize} cannot be halved ${channels.length} times.`,
      );
    const encoder = new ConvEncoder({ type: 'conv', imageSize: 8, channels: [2] }, new Random(1));
    tf.tidy(() => {
      expect(() => encoder.encode(tf.zeros([1, 8, 9, 3]))).toThrow(/pixels has shape \[1,8,9,3\]/);
    });
    encoder.dispose();
  }));

test('a configuration builds the encoder that it describes', () =>
  expectNoLeak(() => {
    const encoder = new ConvEncoder({ type: 'conv', imageSize: 16, channels: [3, 5] }, new Random(4));
    const again = createEncoder(JSON.parse(JSON.stringify(encoder.config)), new Random(4));
    expect(again.config).toEqual(encoder.config);
    expect(again.preprocessing).toEqual(encoder.preprocessing);
    tf.tidy(() => {
      const pixels = tf.randomUniform<tf.Rank.R4>([2, 16, 16, 3], -1, 1, 'float32', 5);
      expectClose(again.encode(pixels), encoder.encode(pixels), 0);
    });
    encoder.dispose();
    again.dispose();
  }));

test.each([
  [{ type: 'perceptron' }, /type: Invalid type: Expected \("mobilenet-v2" \| "conv" \| .*\) but received "perceptron"/],
  [{ type: 'resnet', imageSize: [64, 64] }, /depths: /],
  [{ type: 'conv', imageSize: 16 }, /channels: /],
  [{ type: 'conv', imageSize: 16, channels: ['4'] }, /channels\.0: /],
  [{ type: 'mobilenet-v2', imageSize: 0 }, /imageSize: /],
])('a configuration that describes no encoder is refused: %o', (config, message) => {
  const build = () => createEncoder(config);
  expect(build).toThrow(DataError);
  expect(build).toThrow(message);
});
