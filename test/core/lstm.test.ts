import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { type LSTMParams, type LSTMState, lstmCell, lstmGates } from '../../src/core/lstm';
import { expectClose, expectNoLeak } from '../helpers';
import { golden, type Stored, tensorOf } from '../training/golden';

await tf.setBackend('cpu');

const { parameters, inputs, outputs, outputWeights, gradients } = golden.lstm;
const names = Object.keys(parameters);

test('the LSTM cell and its gradients agree with PyTorch', () =>
  expectNoLeak(() => {
    tf.tidy(() => {
      const run = (...tensors: tf.Tensor[]): LSTMState => {
        const params = Object.fromEntries(names.map((name, i) => [name, tensors[i]])) as LSTMParams;
        const [x, hidden, cell] = tensors.slice(names.length) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
        return lstmCell(lstmGates(params, x, hidden), cell);
      };
      const given = [...Object.values(parameters), ...Object.values(inputs)].map((stored) => tensorOf(stored));
      const { hidden, cell } = run(...given);
      // float32 sums of at most 9 products of order 1
      expectClose(hidden, outputs.hidden!.values, 1e-6);
      expectClose(cell, outputs.cell!.values, 1e-6);
      const weigh = (tensor: tf.Tensor, weights: Stored) => tf.sum(tf.mul(tensor, tensorOf(weights)));
      const found = tf.grads((...tensors) => {
        const after = run(...tensors);
        return tf.add(weigh(after.hidden, outputWeights.hidden!), weigh(after.cell, outputWeights.cell!));
      })(given);
      const expected = [...names, 'x', 'h', 'c'];
      expect(Object.keys(gradients)).toEqual(expected);
      for (const [i, name] of expected.entries()) {
        expect(found[i]!.shape, name).toEqual(gradients[name]!.shape);
        expectClose(found[i]!, gradients[name]!.values, 3e-6);
      }
    });
  }));
