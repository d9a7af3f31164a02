import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { activation } from '../../src/core/activations';
import { dense } from '../../src/core/dense';
import { layerNorm } from '../../src/core/layerNorm';
import { ownKernel } from '../../src/core/ownKernel';
import { Random } from '../../src/core/random';
import { selectBackend } from '../../src/node/backends';
import { expectClose } from '../helpers';

/**
 * The reference is the cpu backend of TensorFlow.js. Both compute in float32 but add in another order, and cpu has an erf
 * with an error of 1.5e-7: below 1e-5 for the values in [-1, 1) and the few hundred terms here.
 */
const TOLERANCE = 1e-5;

const missing = await selectBackend({ prefer: 'tfjs-node' }).then(
  () => undefined,
  (error: Error) => error.message,
);
if (missing) console.warn(`The tests of kernels before those of tfjs-node are left out: ${missing}`);

beforeAll(async () => {
  await tf.setBackend('cpu');
});

type Compute = (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];

/** @param inTensorFlow - whether TensorFlow has the inputs already, as after a product */
function on(backend: string, shapes: number[][], compute: Compute, inTensorFlow = false) {
  tf.engine().setBackend(backend);
  const before = tf.memory().numTensors;
  const results = tf.tidy(() => {
    const given = shapes.map((shape, i) => {
      const numbers = new Random(3).fork(i).uniform(tf.util.sizeFromShape(shape));
      const x = tf.tensor(
        numbers.map((u) => 2 * u - 1),
        shape,
        'float32',
      );
      return inTensorFlow ? tf.neg(tf.neg(x)) : x;
    });
    return [compute(...given)].flat().map((y) => ({ shape: y.shape, dtype: y.dtype, values: y.dataSync() }));
  });
  expect(tf.memory().numTensors, 'tensors left behind').toBe(before);
  return results;
}

function expectAsOnCpu(shapes: number[][], compute: Compute) {
  const expected = on('cpu', shapes, compute);
  for (const inTensorFlow of [false, true]) {
    const results = on('tensorflow', shapes, compute, inTensorFlow);
    expect(results.map(({ shape, dtype }) => [shape, dtype])).toEqual(
      expected.map(({ shape, dtype }) => [shape, dtype]),
    );
    for (const [i, { values }] of results.entries()) expectClose(values, expected[i]!.values, TOLERANCE, TOLERANCE);
  }
}

const all = (...sizes: number[][]) => sizes.map((size) => [size] as const);

describe.skipIf(missing)('kernels before those of tfjs-node', () => {
  test.each(
    all([3, 5], [200, 100]).flatMap(([shape]) => [
      [shape, shape],
      [shape, [shape[1]!]],
      [shape, [1, shape[1]!]],
      [shape, [shape[0]!, 1]],
      [[shape[1]!], shape],
      [[2, ...shape], shape],
      [shape, []],
      [
        [shape[0]!, 1],
        [1, shape[1]!],
      ],
    ]),
  )('sums and products of %j and %j', (a, b) => {
    expectAsOnCpu([a, b], (x, y) => [tf.add(x!, y!), tf.mul(x!, y!)]);
  });

  test.each(all([2, 3, 4], [20, 30, 40]))('reshape, transpose, split and concat of %j', (shape) => {
    const [first, second, third] = shape as [number, number, number];
    expectAsOnCpu([shape], (x) => [
      tf.reshape(x!, [-1, third]),
      tf.transpose(x!, [0, 2, 1]),
      tf.transpose(tf.reshape(x!, [first, 1, second, third]), [0, 2, 1, 3]),
      ...[0, 1, 2].flatMap((axis) => tf.split(x!, [1, shape[axis]! - 1], axis)),
      tf.split(x!, 2, -1)[1]!,
      ...[0, 1, 2].map((axis) => tf.concat([x!, tf.mul(x!, 2), x!], axis)),
    ]);
  });

  test.each(all([3, 7], [300, 70]))('softmax, layer norm and gelu of %j', (shape) => {
    const size = [shape[1]!];
    expectAsOnCpu([shape, size, size], (x, weight, bias) => [
      tf.softmax(tf.mul(x!, 20)),
      layerNorm({ weight: weight as tf.Tensor1D, bias: bias as tf.Tensor1D }, x!, 1e-5),
      activation('gelu')(tf.mul(x!, 4)),
      activation('gelu_new')(tf.mul(x!, 4)),
    ]);
  });

  test.each(all([1, 3, 7], [2, 3, 7], [100, 4, 50]))('linear layers of %j', (shape) => {
    for (const columns of [5, 100])
      expectAsOnCpu([shape, [shape[2]!, columns], [columns]], (x, weight, bias) =>
        dense({ weight: weight as tf.Tensor2D, bias: bias as tf.Tensor1D }, x!),
      );
  });

  test('products of some rows and the rows of a large matrix', () => {
    for (const rows of [1, 8, 100])
      expectAsOnCpu(
        [
          [rows, 64],
          [17_000, 64],
        ],
        (a, b) => tf.matMul(a!, b!, false, true),
      );
  });

  test.each(all([1, 7, 5], [3, 4, 5], [100, 200, 50]))('products of %j', ([rows, inner, columns]) => {
    for (const [transposeA, transposeB] of [
      [false, false],
      [false, true],
      [true, false],
      [true, true],
    ] as const) {
      const a = transposeA ? [inner!, rows!] : [rows!, inner!];
      const b = transposeB ? [columns!, inner!] : [inner!, columns!];
      for (const batch of [[], [1], [2, 3]])
        expectAsOnCpu([batch.concat(a), batch.concat(b)], (x, y) => tf.matMul(x!, y!, transposeA, transposeB));
    }
  });

  test('few numbers have a kernel of their own, many and those on a tape have none', () => {
    tf.engine().setBackend('tensorflow');
    tf.tidy(() => {
      expect(ownKernel('Gelu', { x: tf.ones([4]) }, { approximate: false })?.[0]).toBeInstanceOf(tf.Tensor);
      expect(ownKernel('Gelu', { x: tf.ones([1e5]) }, { approximate: false })).toBeUndefined();
      tf.grad((x) => {
        expect(ownKernel('Gelu', { x }, { approximate: false })).toBeUndefined();
        return tf.square(x);
      })(tf.ones([4]));
    });
  });

  test('whole numbers and truth values are left to TensorFlow', () => {
    tf.engine().setBackend('tensorflow');
    tf.tidy(() => {
      const sum = tf.add(tf.tensor1d([1, 2], 'int32'), tf.tensor1d([3, 4], 'int32'));
      expect([sum.dtype, ...sum.dataSync()]).toEqual(['int32', 4, 6]);
      const shaped = tf.reshape(tf.tensor1d([true, false], 'bool'), [2, 1]);
      expect([shaped.dtype, ...shaped.dataSync()]).toEqual(['bool', 1, 0]);
    });
  });

  test('a variable is read again after it was assigned to', () => {
    tf.engine().setBackend('tensorflow');
    const weight = tf.variable(tf.ones([3]) as tf.Tensor1D);
    const read = () =>
      tf.tidy(() => [...layerNorm({ weight, bias: tf.zeros([3]) }, tf.tensor2d([[1, 2, 3]]), 0).dataSync()]);
    const before = read();
    tf.tidy(() => weight.assign(tf.fill([3], 2)));
    expectClose(
      read(),
      before.map((value) => 2 * value),
      1e-6,
    );
    weight.dispose();
  });
});
