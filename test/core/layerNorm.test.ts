import * as tf from '@tensorflow/tfjs';
import { test } from 'vitest';
import { layerNorm } from '../../src/core/layerNorm';
import { expectNoLeak } from '../helpers';
import { expectGradients, transformerGolden } from '../transformerGolden';

await tf.setBackend('cpu');

test('agrees with PyTorch, values and gradients', () => {
  const { inputs, epsilon, ...expected } = transformerGolden('layers.json').layerNorm;
  return expectNoLeak(() =>
    expectGradients(
      ({ x, weight, bias }) => layerNorm({ weight: weight as tf.Tensor1D, bias: bias as tf.Tensor1D }, x!, epsilon),
      inputs,
      expected,
      1e-5,
    ),
  );
});
