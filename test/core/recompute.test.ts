import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { recompute } from '../../src/core/recompute';
import { expectClose, expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

const body = ({ x, layers }: { x: tf.Tensor; layers: { weight: tf.Tensor; unused?: tf.Tensor }[] }) =>
  layers.reduce((y, { weight }) => tf.tanh(tf.matMul(y as tf.Tensor2D, weight as tf.Tensor2D)), x);

test('gives the same values and gradients', () =>
  expectNoLeak(() =>
    tf.tidy(() => {
      const given = [
        tf.tensor2d([0.1, -0.4, 0.3, 0.9, -1, 0.2], [2, 3]),
        tf.tensor2d([0.5, -0.1, 0.7, 0.3, 0.2, -0.6, 0.8, 0.1, 0.4], [3, 3]),
        tf.tensor2d([0.2, 0.3, -0.5, -0.9, 0.6, 0.1, 0.4, 0.7, -0.2], [3, 3]),
      ];
      const run = (again: boolean) =>
        tf.grads((x, a, b) => {
          const unused = tf.scalar(1);
          const inputs = { x: tf.mul(x, 2), layers: [{ weight: a, unused }, { weight: b }] };
          // Twice, one after the other and one inside of what comes after.
          const once = again ? recompute(inputs, body) : body(inputs);
          const next = { x: once, layers: [{ weight: a }] };
          return tf.sum(tf.square(again ? recompute(next, body) : body(next)));
        })(given);
      for (const [i, gradient] of run(true).entries()) expectClose(gradient, run(false)[i]!, 1e-7);
    }),
  ));

test('keeps nothing but the inputs for the way back', () => {
  const held = (again: boolean) => {
    let most = 0;
    tf.tidy(() => {
      const weight = tf.tensor2d(new Float32Array(64 * 64).fill(0.01), [64, 64]);
      const layers = Array.from({ length: 20 }, () => ({ weight }));
      tf.grad((x) => {
        const y = again ? recompute({ x, layers }, body) : body({ x, layers });
        most = tf.memory().numBytes;
        return tf.sum(y);
      })(tf.ones([64, 64]));
    });
    return most;
  };
  const before = tf.memory().numBytes;
  expect(held(true) - before).toBeLessThan(0.3 * (held(false) - before));
});
