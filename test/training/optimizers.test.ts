import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { parametersOf, variables } from '../../src/core/parameters';
import type { Gradients, Parameters } from '../../src/training/gradients';
import { adam, adamW, fromTfjs, type Optimizer } from '../../src/training/optimizers';
import { expectClose, expectNoLeak } from '../helpers';
import { golden, type StoredTree, tensorOf, treeOf } from './golden';

await tf.setBackend('cpu');

const parametersIn = (stored: StoredTree): Parameters => parametersOf(variables(treeOf(stored)));
const gradientsIn = (stored: StoredTree): Gradients =>
  new Map(Object.entries(stored).map(([name, value]) => [name, tensorOf(value)]));

function apply(optimizer: Optimizer, parameters: Parameters, stored: StoredTree, factor: number): void {
  const grads = gradientsIn(stored);
  optimizer.apply(parameters, grads, () => factor);
  tf.dispose([...grads.values()]);
}

/** What is handed out of one optimizer goes into another, as a snapshot does it. */
async function moved(from: Optimizer, to: Optimizer): Promise<void> {
  const state = await from.state();
  for (const tensor of state.values()) expect(tensor.dtype).toBe('float32');
  await to.restore(state);
  tf.dispose([...state.values()]);
}

// Six steps of float32 on numbers of order 1 whose moves are of order 0.05.
const TOLERANCE = 1e-6;

test.each(golden.adamW)('AdamW with weight decay $weightDecay, a parameter without gradient in some steps', (run) =>
  expectNoLeak(() => {
    const { learningRate, weightDecay, initial, steps } = run;
    const parameters = parametersIn(initial);
    const optimizer = weightDecay === 0 ? adam(learningRate) : adamW(learningRate, { weightDecay });
    for (const { factor, gradients, parameters: expected } of steps) {
      apply(optimizer, parameters, gradients, factor);
      for (const [name, parameter] of parameters) expectClose(parameter, expected[name]!.values, TOLERANCE);
    }
    optimizer.dispose();
    tf.dispose([...parameters.values()]);
  }),
);

test('the state of AdamW carries over to another one, bit for bit', () =>
  expectNoLeak(async () => {
    const { learningRate, weightDecay, initial, steps } = golden.adamW[0]!;
    const [whole, broken] = [parametersIn(initial), parametersIn(initial)];
    const [optimizer, first, second] = [0, 1, 2].map(() => adamW(learningRate, { weightDecay })) as [
      Optimizer,
      Optimizer,
      Optimizer,
    ];
    // A later optimizer that was used for something else forgets that.
    apply(second, broken, steps[0]!.gradients, 0);
    for (const [i, { factor, gradients }] of steps.entries()) {
      apply(optimizer, whole, gradients, factor);
      if (i === 3) await moved(first, second);
      apply(i < 3 ? first : second, broken, gradients, factor);
    }
    for (const [name, parameter] of whole) expect(broken.get(name)!.dataSync()).toEqual(parameter.dataSync());
    for (const each of [optimizer, first, second]) each.dispose();
    tf.dispose([...whole.values(), ...broken.values()]);
  }));

test.each([
  ['adamW', () => adamW(0.05)],
  ['rmsprop of tfjs', () => fromTfjs(tf.train.rmsprop(0.05))],
])('%s scales gradients by the clip as if they came scaled', (_, make) =>
  expectNoLeak(() => {
    const { initial, steps } = golden.adamW[0]!;
    const [scaled, given] = [parametersIn(initial), parametersIn(initial)];
    const [first, second] = [make(), make()] as [Optimizer, Optimizer];
    const clip = tf.scalar(0.3);
    for (const { gradients } of steps) {
      const grads = gradientsIn(gradients);
      const smaller: Gradients = new Map([...grads].map(([name, x]) => [name, tf.mul(x, clip)]));
      first.apply(given, grads, () => 1, clip);
      second.apply(scaled, smaller, () => 1);
      tf.dispose([...grads.values(), ...smaller.values()]);
    }
    for (const [name, parameter] of given) expectClose(parameter, scaled.get(name)!, TOLERANCE);
    for (const each of [first, second]) each.dispose();
    tf.dispose([clip, ...scaled.values(), ...given.values()]);
  }),
);

test('AdamW refuses a state that lacks moments', async () => {
  const state = new Map([['a#step', tf.scalar(1)]]);
  await expect(adamW(1e-3).restore(state)).rejects.toThrow("The optimizer's state lacks the moments of a.");
  tf.dispose([...state.values()]);
});

test('the learning rate must be a number above 0', () => {
  for (const rate of [0, -1, Number.NaN, Infinity]) expect(() => adamW(rate)).toThrow(/^learningRate is /);
});

/** Parameters a, b and c, of which b gets no gradient in the first step. */
const gap: StoredTree[] = [
  { a: { shape: [1], values: [1] }, c: { shape: [1], values: [-200] } },
  { a: { shape: [1], values: [1] }, b: { shape: [1], values: [0.5] }, c: { shape: [1], values: [-200] } },
];
const one: StoredTree = Object.fromEntries(['a', 'b', 'c'].map((name) => [name, { shape: [1], values: [1] }]));

test("behind our interface a tfjs optimizer gives no parameter its neighbour's moments", () => {
  const trap = parametersIn(one);
  const trapped = tf.train.adam(0.1);
  const safe = parametersIn(one);
  const optimizer = fromTfjs(tf.train.adam(0.1));
  for (const stored of gap) {
    apply(optimizer, safe, stored, 1);
    const grads = gradientsIn(stored);
    trapped.applyGradients([...grads].map(([name, tensor]) => ({ name: trap.get(name)!.name, tensor })));
  }
  // Adam with a constant gradient moves by its rate in every step, whatever the gradient's size.
  expectClose(safe.get('a')!, [0.8], 1e-4);
  expectClose(safe.get('c')!, [1.2], 1e-4);
  // b's own moments: the first step counts as a gradient of zero. m = 0.1 * 0.5 / 0.19, v = 0.001 * 0.25 / 0.001999
  expectClose(safe.get('b')!, [1 - (0.1 * (0.05 / 0.19)) / Math.sqrt(0.00025 / 0.001999)], 1e-4);
  // The trap is there in the tfjs at hand: b got the moments of c, c began anew.
  expect(Math.abs(trap.get('b')!.dataSync()[0]! - safe.get('b')!.dataSync()[0]!)).toBeGreaterThan(0.01);
});

test.each([
  ['adam', () => tf.train.adam(0.05)],
  ['momentum', () => tf.train.momentum(0.05, 0.9)],
  ['rmsprop', () => tf.train.rmsprop(0.05)],
  ['sgd', () => tf.train.sgd(0.05)],
])('the state of tfjs %s carries over to another one', async (_, make) => {
  const { initial, steps } = golden.adamW[0]!;
  const [whole, broken] = [parametersIn(initial), parametersIn(initial)];
  const [optimizer, first, second] = [make(), make(), make()].map(fromTfjs) as [Optimizer, Optimizer, Optimizer];
  for (const [i, { gradients }] of steps.entries()) {
    apply(optimizer, whole, gradients, 1);
    if (i === 3) {
      await expectNoLeak(async () => tf.dispose([...(await first.state()).values()]));
      await moved(first, second);
    }
    apply(i < 3 ? first : second, broken, gradients, 1);
  }
  // Bit for bit but for Adam, which recomputes the powers of its betas.
  for (const [name, parameter] of whole) expectClose(broken.get(name)!, parameter, 1e-6);
});

test('a tfjs optimizer cannot follow a schedule', () => {
  const parameters = parametersIn(one);
  expect(() => apply(fromTfjs(tf.train.sgd(0.1)), parameters, one, 0.5)).toThrow(/one fixed rate for all parameters/);
});
