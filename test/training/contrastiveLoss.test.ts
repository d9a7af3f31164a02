import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { clampLogitScale, contrastiveLoss } from '../../src/training/contrastiveLoss';
import golden from '../goldens/training/objectives.json';
import { expectClose, expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

// Float32 against float64: a handful of sums of numbers around 1.
const TOLERANCE = 2e-6;

test.each(golden.losses.map((each) => [each.given.texts.shape[0]! / each.given.images.shape[0]!, each] as const))(
  'with %i texts per picture, loss and gradients are those of PyTorch',
  (_, { given, loss, gradients }) =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const { images, texts, logitScale } = given;
        const [pictures, read] = [images, texts].map(({ values, shape }) =>
          tf.tensor2d(values, shape as [number, number]),
        );
        const inputs = [pictures!, read!, tf.scalar(logitScale.values[0]!)];
        const compute = (a: tf.Tensor, b: tf.Tensor, c: tf.Tensor) =>
          contrastiveLoss(a as tf.Tensor2D, b as tf.Tensor2D, c as tf.Scalar);
        expectClose(compute(inputs[0]!, inputs[1]!, inputs[2]!), [loss], TOLERANCE);
        const found = tf.grads(compute as never)(inputs);
        expectClose(found[0]!, gradients.images.values, TOLERANCE);
        expectClose(found[1]!, gradients.texts.values, TOLERANCE);
        expectClose(found[2]!, gradients.logitScale.values, TOLERANCE);
      }),
    ),
);

test('a scale of more than 100 is taken back, and no other', () => {
  const large = tf.variable(tf.scalar(5));
  const small = tf.variable(tf.scalar(-2));
  clampLogitScale(large as unknown as tf.Scalar);
  clampLogitScale(small as unknown as tf.Scalar);
  expect(Math.exp(large.dataSync()[0]!)).toBeCloseTo(100, 3);
  expect(small.dataSync()[0]).toBe(-2);
  tf.dispose([large, small]);
});
