import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { type GRUParams, gruCell, gruParams } from '../../src/core/gru';
import { Random } from '../../src/core/random';
import { leaves } from '../../src/core/tree';
import { mechanismGolden } from '../attention/golden';
import { expectClose, expectNoLeak } from '../helpers';
import { tensorOf, treeOf } from '../training/golden';

await tf.setBackend('cpu');

const { parameters, inputs, output, above, gradients } = mechanismGolden.gru;

test("a step agrees with PyTorch's GRUCell, values and gradients", () =>
  expectNoLeak(() => {
    tf.tidy(() => {
      const params = treeOf<GRUParams>(parameters);
      const names = Object.keys(parameters) as (keyof GRUParams)[];
      const step = (...tensors: tf.Tensor[]) => {
        const given = Object.fromEntries(names.map((name, i) => [name, tensors[i]!])) as GRUParams;
        const [input, hidden] = tensors.slice(names.length) as [tf.Tensor2D, tf.Tensor2D];
        return gruCell(given, input, hidden);
      };
      const given = [...names.map((name) => params[name]), tensorOf(inputs.input!), tensorOf(inputs.state!)];
      // float32 sums of at most five products of order 1
      expectClose(step(...given), output.values, 1e-6);
      const found = tf.grads((...tensors) => tf.mul(step(...tensors), tensorOf(above)))(given);
      for (const [i, name] of [...names, 'inputs.input', 'inputs.state'].entries())
        expectClose(found[i]!, gradients[name]!.values, 3e-6);
    });
  }));

test('parameters have the shapes of the reference', () => {
  const params = gruParams(5, 4, new Random(1));
  for (const [name, { shape }] of leaves(params)) expect(shape, name).toEqual(parameters[name]!.shape);
  tf.dispose(params);
});
