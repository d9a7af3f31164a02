import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { leaves } from '../../src/core/tree';
import type { BatchNormParams } from '../../src/encoders/batchNorm';
import { convolve, convolveChannels } from '../../src/encoders/conv';
import { convNorm, depthwiseNorm } from '../../src/encoders/convNorm';
import type { ConvActivation } from '../../src/encoders/convOperation';
import { gradients } from '../../src/training/gradients';
import { expectClose, expectNoLeak } from '../helpers';
import { noise } from './formula';

await tf.setBackend('cpu');

const EPSILON = 1e-3;
const [BATCH, SIDE, INPUTS, OUTPUTS] = [2, 7, 3, 4];

const drawn = (name: string, shape: number[], scale = 1, mean = 0) =>
  tf.tensor(
    noise(name, tf.util.sizeFromShape(shape)).map((value) => scale * value + mean),
    shape,
  );

type Case = { depthwise: boolean; padding: number | 'same'; stride: number; activation: ConvActivation; plus: boolean };

const cases = [false, true].flatMap((depthwise): Case[] => [
  { depthwise, padding: 'same', stride: 1, activation: 'relu6', plus: false },
  { depthwise, padding: 'same', stride: 2, activation: 'relu6', plus: true },
  { depthwise, padding: 1, stride: 2, activation: 'relu6', plus: false },
  { depthwise, padding: 1, stride: 1, activation: 'relu', plus: true },
  { depthwise, padding: 0, stride: 1, activation: 'linear', plus: true },
  { depthwise, padding: 2, stride: 1, activation: 'linear', plus: false },
]);

/** One after the other, with the gradients of tfjs; zeros are laid around by hand. */
function oneByOne({ x, weight, norm, plus }: Inputs, { depthwise, padding, stride, activation }: Case): tf.Tensor4D {
  const around = padding === 'same' ? 0 : padding;
  const sides: [number, number][] = [
    [0, 0],
    [around, around],
    [around, around],
    [0, 0],
  ];
  const framed = tf.pad(x, sides);
  const words = padding === 'same' ? 'same' : 'valid';
  const z = depthwise ? tf.depthwiseConv2d(framed, weight, stride, words) : tf.conv2d(framed, weight, stride, words);
  const normed = tf.mul(
    tf.sub(z, norm.runningMean),
    tf.div(norm.weight, tf.sqrt(tf.add(norm.runningVariance, EPSILON))),
  );
  const shifted = tf.add(normed, norm.bias);
  const y = plus ? tf.add(shifted, plus) : shifted;
  if (activation === 'linear') return y as tf.Tensor4D;
  return (activation === 'relu' ? tf.relu(y) : tf.relu6(y)) as tf.Tensor4D;
}

type Inputs = { x: tf.Tensor4D; weight: tf.Tensor4D; norm: BatchNormParams; plus?: tf.Tensor4D };

function inputsOf({ depthwise, padding, stride, plus }: Case): Inputs {
  const outputs = depthwise ? INPUTS : OUTPUTS;
  const around = padding === 'same' ? 1 : padding;
  const side = Math.floor((SIDE + 2 * around - 3) / stride) + 1;
  return {
    x: drawn('x', [BATCH, SIDE, SIDE, INPUTS], 2) as tf.Tensor4D,
    weight: drawn('weight', [3, 3, INPUTS, depthwise ? 1 : OUTPUTS], 2) as tf.Tensor4D,
    norm: {
      weight: drawn('scale', [outputs], 0.5, 1) as tf.Tensor1D,
      bias: drawn('shift', [outputs], 0.5, 1) as tf.Tensor1D,
      runningMean: drawn('mean', [outputs]) as tf.Tensor1D,
      runningVariance: drawn('variance', [outputs], 0.5, 1) as tf.Tensor1D,
    },
    ...(plus && { plus: drawn('plus', [BATCH, side, side, outputs]) as tf.Tensor4D }),
  };
}

/** Value and gradients by the name of what they belong to, running statistics left out. */
function learnedBy(run: (inputs: Inputs) => tf.Tensor4D, inputs: Inputs) {
  const given = [...leaves(inputs)].filter(([name]) => !name.includes('running'));
  const value = run(inputs);
  const above = drawn('above', value.shape);
  const compute = () => tf.sum(tf.mul(run(inputs), above)) as tf.Scalar;
  const found = tf.grads(compute)(given.map(([, tensor]) => tensor));
  return new Map([['value', value as tf.Tensor], ...given.map(([name], i) => [name, found[i]!] as const)]);
}

describe('convolution, batch norm, what goes around it and activation in one operation', () => {
  test.each(cases)('%j are those one after the other', (given) =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const inputs = inputsOf(given);
        const { padding, stride, activation, depthwise } = given;
        const run = ({ x, weight, norm, plus }: Inputs) =>
          (depthwise ? depthwiseNorm : convNorm)(
            { weight, norm },
            x,
            { padding, stride },
            { epsilon: EPSILON },
            { activation, plus },
          );
        const whole = learnedBy(run, inputs);
        const parts = learnedBy((each) => oneByOne(each, given), inputs);
        expect([...whole.keys()]).toEqual([
          'value',
          'x',
          'weight',
          'norm.weight',
          'norm.bias',
          ...(given.plus ? ['plus'] : []),
        ]);
        const value = parts.get('value')!.dataSync();
        // All of the activation is used: both bends are there.
        if (activation !== 'linear') expect(value.some((y) => y === 0)).toBe(true);
        if (activation === 'relu6') expect(value.some((y) => y === 6)).toBe(true);
        expect(value.some((y) => y > 0 && y < 6)).toBe(true);
        for (const [name, expected] of parts) {
          const largest = Math.max(...expected.dataSync().map(Math.abs));
          // float32; the norm is multiplied into the kernel before the sums instead of after them
          expectClose(whole.get(name)!, expected, 1e-5 * largest);
        }
      }),
    ),
  );

  test('groups and gaps, which are done in parts, take the same extras', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const x = drawn('x', [1, 5, 5, 4], 3) as tf.Tensor4D;
        const bias = drawn('bias', [6]) as tf.Tensor1D;
        const plus = drawn('plus', [1, 5, 5, 6], 4) as tf.Tensor4D;
        for (const [movement, inputs] of [
          [{ groups: 2, padding: 1 }, 2],
          [{ dilation: 2, padding: 2 }, 4],
        ] as const) {
          const weight = drawn('weight', [3, 3, inputs, 6]) as tf.Tensor4D;
          const plain = tf.add(tf.add(convolve(x, weight, movement), bias), plus);
          expectClose(convolve(x, weight, movement, { bias, plus, activation: 'relu6' }), tf.relu6(plain), 1e-6);
          expectClose(convolve(x, weight, movement, { bias, plus, activation: 'relu' }), tf.relu(plain), 1e-6);
        }
      }),
    ));
});

test('what is kept for the way back is what was read and what was given, one tensor for each layer', () =>
  expectNoLeak(() => {
    const layers = 6;
    const drawnVariable = (name: string, shape: number[]) => tf.tidy(() => tf.variable(drawn(name, shape)));
    const x = drawnVariable('x', [1, 16, 16, 4]) as tf.Variable<tf.Rank.R4>;
    const kernel = drawnVariable('kernel', [1, 1, 4, 4]) as tf.Variable<tf.Rank.R4>;
    const channels = drawnVariable('channels', [3, 3, 4, 1]) as tf.Variable<tf.Rank.R4>;
    const bias = drawnVariable('bias', [4]) as tf.Variable<tf.Rank.R1>;
    const engine = tf.engine().state;
    let kept = 0;
    const { loss, grads } = gradients(
      () => {
        let y: tf.Tensor4D = x;
        const before = engine.numDataBuffers;
        for (let i = 0; i < layers; i++) {
          const extras = { bias, activation: 'relu6' } as const;
          y =
            i % 2
              ? convolve(y, kernel, { padding: 'same' }, extras)
              : convolveChannels(y, channels, { padding: 'same' }, extras);
        }
        kept = engine.numDataBuffers - before;
        return tf.sum(y) as tf.Scalar;
      },
      new Map<string, tf.Variable>([
        ['kernel', kernel],
        ['channels', channels],
        ['bias', bias],
      ]),
    );
    expect(kept).toBe(layers);
    tf.dispose([loss, x, kernel, channels, bias, ...grads.values()]);
  }));
