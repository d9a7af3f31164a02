import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { parametersOf } from '../../src/core/parameters';
import { Random } from '../../src/core/random';
import { MobileNetV2, mobileNetV2LayerNames } from '../../src/encoders/mobilenetV2';
import { gradients } from '../../src/training/gradients';
import { expectClose, expectNoLeak } from '../helpers';
import { golden } from '../training/golden';

await tf.setBackend('cpu');

/** As in the script that made the golden: number i of a stream is the fraction of sin(12.9898 i + 78.233 stream) * 43758.5453, in [-1, 1). */
function noise(shape: number[], stream: number, scale = 1): tf.Tensor {
  const values = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => {
    const x = Math.sin(12.9898 * i + 78.233 * stream) * 43758.5453;
    return scale * (2 * (x - Math.floor(x)) - 1);
  });
  return tf.tensor(values, shape);
}

function withNoise(): MobileNetV2 {
  const encoder = new MobileNetV2({ type: 'mobilenet-v2', imageSize: golden.mobileNetV2.imageSize }, new Random(1));
  tf.tidy(() => {
    for (const [stream, [name, variable]] of [...parametersOf(encoder.params)].entries()) {
      const { shape } = variable;
      if (name.endsWith('.bias')) variable.assign(noise(shape, stream, 0.1));
      else {
        const [height, width, inputs] = shape as [number, number, number];
        const fanIn = height * width * (name.includes('depthwise') ? 1 : inputs);
        variable.assign(noise(shape, stream, Math.sqrt(6 / fanIn)));
      }
    }
  });
  return encoder;
}

test('features and gradients agree with PyTorch', () =>
  expectNoLeak(() => {
    const encoder = withNoise();
    const { imageSize, every, features: expected, gradients: expectedGradients } = golden.mobileNetV2;
    tf.tidy(() => {
      const pixels = noise([1, imageSize, imageSize, 3], 1000) as tf.Tensor4D;
      let features: tf.Tensor | undefined;
      const loss = () => {
        features = tf.keep(encoder.encode(pixels));
        return tf.sum(tf.mul(features, noise(features.shape, 1001))) as tf.Scalar;
      };
      const names = new Set(Object.keys(expectedGradients));
      const asked = new Map([...parametersOf(encoder.params)].filter(([name]) => names.has(name)));
      expect([...asked.keys()].sort()).toEqual([...names].sort());
      const { grads } = gradients(loss, asked);
      const [rows, columns] = encoder.grid;
      expect(features!.shape).toEqual([1, rows * columns, encoder.featureSize]);
      const some = tf.stridedSlice(features!, [0, 0, 0], features!.shape, [1, 1, every]);
      expect(some.shape).toEqual(expected.shape);
      // float32 through 52 convolutions of up to 960 terms each
      expectClose(some, expected.values, 1e-4);
      for (const [name, gradient] of grads) {
        const { values, shape } = expectedGradients[name]!;
        expect(gradient.shape, name).toEqual(shape);
        // Relative to the largest: single numbers are small differences of large sums.
        expectClose(gradient, values, 1e-4 * Math.max(...values.map(Math.abs)));
      }
      features!.dispose();
    });
    encoder.dispose();
  }));

test('a picture of another size, or channels first, is refused', () =>
  expectNoLeak(() => {
    const encoder = new MobileNetV2({ type: 'mobilenet-v2', imageSize: 64 }, new Random(1));
    const message = /pixels has shape .* but should be \[batch, height=64, width=64, channels=3\]\. Pictures are NHWC/;
    tf.tidy(() => {
      expect(() => encoder.encode(tf.zeros([1, 32, 32, 3]))).toThrow(message);
      expect(() => encoder.encode(tf.zeros([1, 3, 64, 64]))).toThrow(message);
    });
    encoder.dispose();
    for (const imageSize of [0, 100, 33.5, -32])
      expect(() => new MobileNetV2({ type: 'mobilenet-v2', imageSize }, new Random(1))).toThrow(/^imageSize is/);
  }));

test('every parameter has a layer of the file, each layer once, in its order', () => {
  const encoder = new MobileNetV2({ type: 'mobilenet-v2', imageSize: 32 }, new Random(1));
  const names = mobileNetV2LayerNames();
  expect([...names.keys()].sort()).toEqual([...parametersOf(encoder.params).keys()].sort());
  const layers = [...names.values()].map(({ name }) => name);
  expect(layers.slice(0, 3)).toEqual(['l00.weight', 'l00.bias', 'l01.weight']);
  expect(layers.at(-1)).toBe('l51.bias');
  expect(new Set(layers).size).toBe(104);
  encoder.dispose();
});
