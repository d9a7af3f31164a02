import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { parametersOf, variables } from '../../src/core/parameters';
import { addGradients, clipByGlobalNorm, clipByValue, type Gradients, gradients } from '../../src/training/gradients';
import { expectClose, expectNoLeak } from '../helpers';
import { golden, type StoredTree, tensorOf } from './golden';

await tf.setBackend('cpu');

const gradientsOf = (stored: StoredTree): Gradients =>
  new Map(Object.entries(stored).map(([name, value]) => [name, tensorOf(value)]));

const release = (grads: Gradients) => tf.dispose([...grads.values()]);

test('gradients go by tree path, and a parameter that the loss did not touch is absent', () =>
  expectNoLeak(() => {
    const tree = variables({ used: [tf.tensor1d([1, 2])], idle: tf.tensor1d([5]), last: tf.scalar(3) });
    const parameters = parametersOf(tree, 'decoder');
    const { loss, grads } = gradients(
      () => tf.mul(tf.sum(tf.square(tree.used[0]!)), tree.last) as tf.Scalar,
      parameters,
    );
    expectClose(loss, [15], 1e-6);
    expect([...grads.keys()]).toEqual(['decoder.used.0', 'decoder.last']);
    expectClose(grads.get('decoder.used.0')!, [6, 12], 1e-6);
    expectClose(grads.get('decoder.last')!, [5], 1e-6);
    loss.dispose();
    release(grads);
    tf.dispose([...parameters.values()]);
  }));

test('an error in the loss leaves nothing behind', () =>
  expectNoLeak(() => {
    const parameters = parametersOf(variables({ a: tf.tensor1d([1, 2]) }));
    const broken = () => {
      tf.square(parameters.get('a')!);
      throw new Error('no loss');
    };
    expect(() => gradients(broken, parameters)).toThrow('no loss');
    tf.dispose([...parameters.values()]);
  }));

test.each(golden.clipping.cases)('clipping to norm $maxNorm', ({ maxNorm, norm, clipped }) =>
  expectNoLeak(() => {
    const found = clipByGlobalNorm(gradientsOf(golden.clipping.gradients), maxNorm);
    expectClose(found.norm, norm.values, 0, 1e-6);
    expect([...found.grads.keys()]).toEqual(Object.keys(clipped));
    for (const [name, gradient] of found.grads) {
      expect(gradient.shape).toEqual(clipped[name]!.shape);
      expectClose(gradient, clipped[name]!.values, 1e-6);
    }
    found.norm.dispose();
    release(found.grads);
  }),
);

test('clipping by value touches each number by itself', () =>
  expectNoLeak(() => {
    const clipped = clipByValue(new Map([['a', tf.tensor1d([-3, 0.2, 0.5, 9])]]), 0.5);
    expectClose(clipped.get('a')!, [-0.5, 0.2, 0.5, 0.5], 1e-7);
    release(clipped);
  }));

test('sums of gradients keep what only one side has, and take both sides', () =>
  expectNoLeak(() => {
    const left = new Map<string, tf.Tensor>([
      ['both', tf.tensor1d([1, 2])],
      ['left', tf.scalar(3)],
    ]);
    const right = new Map<string, tf.Tensor>([
      ['right', tf.scalar(4)],
      ['both', tf.tensor1d([10, 20])],
    ]);
    const sum = addGradients(left, right);
    expect([...sum.keys()].sort()).toEqual(['both', 'left', 'right']);
    expectClose(sum.get('both')!, [11, 22], 0);
    expectClose(sum.get('left')!, [3], 0);
    expectClose(sum.get('right')!, [4], 0);
    release(sum);
  }));

test('what the way back has used is freed on the way', () =>
  expectNoLeak(() => {
    const parameter = tf.tidy(() => tf.variable(tf.fill([1000], 1.01)));
    const held: number[] = [];
    /** x * x, which writes down how many bytes there are when its gradient is asked for. */
    const square = tf.customGrad((x, save) => {
      (save as tf.GradSaveFunc)([x as tf.Tensor]);
      const gradFunc = (above: tf.Tensor, [kept]: tf.Tensor[]) => {
        held.push(tf.memory().numBytes);
        return tf.tidy(() => tf.mul(tf.mul(above, kept!), 2));
      };
      return { value: tf.square(x as tf.Tensor), gradFunc };
    });
    const before = tf.memory().numBytes;
    const { loss, grads } = gradients(
      () => {
        let x: tf.Tensor = parameter;
        for (let i = 0; i < 6; i++) x = square(x);
        return tf.sum(x) as tf.Scalar;
      },
      new Map([['parameter', parameter]]),
    );
    // d/dx x^64, float32
    expectClose(grads.get('parameter')!, new Float32Array(1000).fill(64 * 1.01 ** 63), 0, 1e-5);
    const tensors = held.map((bytes) => (bytes - before) / 4000);
    expect(held).toHaveLength(6);
    // Of the six squares, as many are left as there are still to go; tfjs holds them all, and a gradient of each.
    for (const [i, count] of tensors.entries()) expect(count).toBeLessThan(8.1 - i);
    tf.dispose([loss, parameter, ...grads.values()]);
  }));

test('a gradient that an operation hands on as it came is no trap', () =>
  expectNoLeak(() => {
    const parameter = tf.tidy(() => tf.variable(tf.tensor1d([1, 2, 3])));
    /** (x, y) -> x + y, whose gradients are both the one tensor that it was given. */
    const plus = tf.customGrad((x, y) => ({
      value: tf.add(x as tf.Tensor, y as tf.Tensor),
      gradFunc: (above: tf.Tensor) => [above, above],
    }));
    const { loss, grads } = gradients(
      () => {
        const [doubled, tripled] = [tf.mul(parameter, 2), tf.mul(parameter, 3)];
        return tf.sum(tf.mul(plus(doubled, plus(tripled, doubled)), [1, 10, 100])) as tf.Scalar;
      },
      new Map([['parameter', parameter]]),
    );
    expectClose(grads.get('parameter')!, [7, 70, 700], 1e-4);
    tf.dispose([loss, parameter, ...grads.values()]);
  }));
