import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { scoresOfSums } from '../../src/attention/additive';
import { additiveAttentionBackward } from '../../src/attention/additiveBackward';
import { activation } from '../../src/core/activations';
import { dense } from '../../src/core/dense';
import { layerNorm } from '../../src/core/layerNorm';
import { type LSTMSlopes, lstmBackward, lstmForward } from '../../src/core/lstm';
import { ownKernel } from '../../src/core/ownKernel';
import { Random } from '../../src/core/random';
import { selectBackend } from '../../src/node/backends';
import type { OnnxBackend } from '../../src/node/onnxruntime/backend';
import { type KernelCall, profileKernels } from '../../src/node/onnxruntime/register';
import { adamW } from '../../src/training/optimizers';
import { expectClose, expectNoLeak } from '../helpers';

/**
 * The reference is the cpu backend of TensorFlow.js. Both compute in float32 but add in another order: a sum of n
 * products of values in [-1, 1) differs by a few times sqrt(n) * 6e-8, below 1e-5 for the few hundred terms here.
 * onnxruntime's exp, log and tanh are within 3e-7 of the exact ones.
 */
const TOLERANCE = 1e-5;

const missing = await selectBackend({ prefer: 'onnxruntime', threads: 2 }).then(
  () => undefined,
  (error: Error) => error.message,
);
if (missing) console.warn(`The tests of onnxruntime's kernels are left out: ${missing}`);
const onnx = tf.findBackend('onnxruntime') as OnnxBackend;

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const values = (name: string, shape: number[]) =>
  new Random(3)
    .fork(name)
    .uniform(tf.util.sizeFromShape(shape))
    .map((u) => 2 * u - 1);

type Compute = (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[];

/** Whatever is not in an interval is no less a number: it has to come out as on cpu. */
const SPECIAL = [NaN, Infinity, -Infinity, 0, -0, 1e-45, -1e-45, 3e38, -3e38, 88.8, -104, 20, -20, 6, 7, 0.5];

/** What `compute` returns on a backend, and where its kernels ran; its arguments are these arrays. */
function on(backend: string, inputs: { shape: number[]; numbers: number[] | Float32Array }[], compute: Compute) {
  tf.engine().setBackend(backend);
  const calls: KernelCall[] = [];
  const free = onnx.blocks.memory().inUse;
  const before = tf.memory().numTensors;
  const results = tf.tidy(() => {
    const given = inputs.map(({ shape, numbers }) => tf.tensor(numbers, shape, 'float32'));
    const run = () => [compute(...given)].flat();
    const outputs = backend === 'onnxruntime' ? profileKernels(run, (call) => calls.push(call)) : run();
    return outputs.map((output) => ({ shape: output.shape, dtype: output.dtype, values: output.dataSync() }));
  });
  expect(tf.memory().numTensors, 'tensors left behind').toBe(before);
  expect(onnx.blocks.memory().inUse, 'blocks left in use').toBe(free);
  return { results, calls };
}

type Expected = {
  /** Kernels that must have run on onnxruntime. */
  kernels?: readonly string[];
  tolerance?: number;
};

/** Computes on both backends, with random numbers for inputs of these shapes. */
function expectAsOnCpu(shapes: number[][], compute: Compute, expected: Expected = {}) {
  const inputs = shapes.map((shape, i) => ({ shape, numbers: values(`input ${i}`, shape) }));
  expectSame(inputs, compute, expected);
}

function expectSame(inputs: Parameters<typeof on>[1], compute: Compute, { kernels = [], tolerance }: Expected) {
  const expected = on('cpu', inputs, compute).results;
  const { results, calls } = on('onnxruntime', inputs, compute);
  for (const kernel of kernels)
    expect(
      calls.filter((call) => call.kernel === kernel).map(({ on }) => on),
      `where ${kernel} ran`,
    ).toContain('onnxruntime');
  expect(results.map(({ shape, dtype }) => [shape, dtype])).toEqual(expected.map(({ shape, dtype }) => [shape, dtype]));
  for (const [i, output] of results.entries())
    expectClose(...finite(output.values, expected[i]!.values), tolerance ?? TOLERANCE, tolerance ?? TOLERANCE);
}

/** What is the same on both sides, NaN and infinities too, is taken out. */
function finite(actual: ArrayLike<number>, expected: ArrayLike<number>): [Float64Array, Float64Array] {
  const differ = (i: number) => !(Object.is(actual[i], expected[i]) || actual[i] === expected[i]);
  const places = Array.from(expected, (_, i) => i).filter(differ);
  return [Float64Array.from(places, (i) => actual[i]!), Float64Array.from(places, (i) => expected[i]!)];
}

/** The output and its gradients by every input, of its sum weighted by random numbers. */
const withGradients =
  (f: (...inputs: tf.Tensor[]) => tf.Tensor) =>
  (...inputs: tf.Tensor[]) => {
    const weighted = (...xs: tf.Tensor[]) => {
      const y = f(...xs);
      return tf.sum(tf.mul(y, tf.tensor(values('dy', y.shape), y.shape)));
    };
    return [f(...inputs), ...tf.grads(weighted)(inputs)];
  };

type Multiply = (...factors: tf.Tensor[]) => tf.Tensor;

describe.skipIf(missing)('products', () => {
  const cases = [
    [
      [40, 30],
      [30, 20],
    ],
    [
      [3, 40, 30],
      [3, 30, 20],
    ],
    [
      [3, 40, 30],
      [1, 30, 20],
    ],
    [
      [1, 40, 30],
      [3, 30, 20],
    ],
    [
      [2, 3, 40, 30],
      [2, 3, 30, 20],
    ],
    [
      [8, 1, 300],
      [8, 300, 20],
    ],
    [
      [1, 2000],
      [2000, 5],
    ],
    [
      [90, 1],
      [1, 120],
    ],
    [
      [4, 90, 1],
      [4, 1, 120],
    ],
  ];
  const turned = (shape: number[], turn: boolean) =>
    turn ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : shape;
  for (const transposeA of [false, true])
    for (const transposeB of [false, true])
      test.each(cases)(`[%s] times [%s], transposed ${transposeA} ${transposeB}`, (a, b) =>
        expectAsOnCpu(
          [turned(a, transposeA), turned(b, transposeB)],
          // tfjs has no gradient of a product that broadcasts.
          (a[0] === b[0] || a.length === 2 ? withGradients : (f: Multiply) => f)((x, y) =>
            tf.matMul(x!, y!, transposeA, transposeB),
          ),
          { kernels: ['BatchMatMul'], tolerance: 3e-5 },
        ),
      );

  test('with bias and activation', () => {
    for (const activation of ['linear', 'relu', 'relu6', 'sigmoid', 'elu'] as const)
      expectAsOnCpu([[50, 30], [30, 40], [40]], (a, b, bias) =>
        tf.fused.matMul({ a: a as tf.Tensor2D, b: b as tf.Tensor2D, bias: bias!, activation }),
      );
  });

  test('batches that are broadcast both ways are those of one pair after the other', () => {
    // The cpu backend of tfjs 4.22 computes only some of them.
    tf.engine().setBackend('onnxruntime');
    tf.tidy(() => {
      const a = tf.tensor(values('a', [2, 1, 20, 30]), [2, 1, 20, 30]);
      const b = tf.tensor(values('b', [1, 3, 30, 20]), [1, 3, 30, 20]);
      const at = (x: tf.Tensor, ...place: number[]) =>
        tf.reshape(tf.slice(x, place, [1, 1]), [x.shape[2]!, x.shape[3]!]);
      const all = tf.matMul(a, b);
      for (const [i, j] of [
        [0, 0],
        [1, 0],
        [0, 2],
        [1, 2],
      ] as const)
        expectClose(at(all, i, j), tf.matMul(at(a, i, 0), at(b, 0, j)), TOLERANCE);
    });
  });
});

describe.skipIf(missing)('number by number', () => {
  const size = 4096;
  const awkward = (shift: number) => ({
    shape: [size],
    numbers: Array.from(values(`awkward ${shift}`, [size]), (u, i) =>
      i % 3 === shift ? 5 * u : SPECIAL[Math.floor((i * (shift + 3)) / 2) % SPECIAL.length]!,
    ),
  });

  const unary = {
    Abs: tf.abs, Ceil: tf.ceil, Exp: tf.exp, Floor: tf.floor, Log: tf.log, Neg: tf.neg, Reciprocal: tf.reciprocal,
    Relu: tf.relu, Relu6: tf.relu6, Rsqrt: tf.rsqrt, Sigmoid: tf.sigmoid, Sqrt: tf.sqrt, Square: tf.square,
    Step: tf.step, Tanh: tf.tanh, ClipByValue: (x: tf.Tensor) => tf.clipByValue(x, -2, 3),
  }; // biome-ignore format: a table
  test.each(Object.entries(unary))('%s, of NaN, infinities and denormals too', (kernel, f) =>
    expectSame([awkward(0)], (x) => f(x!), { kernels: [kernel] }),
  );

  test.each(['Exp', 'Log', 'Relu', 'Relu6', 'Sigmoid', 'Sqrt', 'Square', 'Tanh', 'ClipByValue'] as const)(
    'the gradient of %s',
    (kernel) =>
      expectAsOnCpu(
        [[50, 40]],
        withGradients((x) => unary[kernel](tf.add(x!, 2))),
        { kernels: [kernel] },
      ),
  );

  const binary = {
    Add: tf.add, Sub: tf.sub, Multiply: tf.mul, RealDiv: tf.div, Maximum: tf.maximum, Minimum: tf.minimum,
    Equal: tf.equal, Greater: tf.greater, GreaterEqual: tf.greaterEqual, Less: tf.less, LessEqual: tf.lessEqual,
  }; // biome-ignore format: a table
  test.each(Object.entries(binary))('%s, of NaN, infinities and denormals too', (kernel, f) =>
    expectSame([awkward(0), awkward(1)], (a, b) => f(a!, b!), { kernels: [kernel] }),
  );

  const shapes = [
    [[60, 50], [50]],
    [
      [60, 50],
      [60, 1],
    ],
    [
      [60, 1, 50],
      [1, 20, 1],
    ],
    [[60, 50], []],
    [[1], [60, 50]],
    [
      [2, 60, 50],
      [60, 50],
    ],
  ];
  for (const kernel of ['Add', 'Sub', 'Multiply', 'RealDiv'] as const)
    test.each(shapes)(`${kernel} of [%s] and [%s], and its gradients`, (a, b) =>
      expectAsOnCpu(
        [a, b],
        withGradients((x, y) => binary[kernel](x!, tf.add(y!, 3))),
        { kernels: [kernel] },
      ),
    );

  test('Select and Cast', () => {
    expectAsOnCpu([[60, 50]], (x) => tf.cast(tf.greater(x!, 0), 'float32'), { kernels: ['Cast'] });
    expectAsOnCpu(
      [
        [60, 50],
        [60, 50],
      ],
      (a, b) => tf.where(tf.greater(a!, 0), a!, b!),
      { kernels: ['Select'] },
    );
    expectAsOnCpu(
      [
        [60, 1],
        [60, 50],
      ],
      (a, b) => tf.where(tf.greater(a!, 0), b!, tf.neg(b!)),
    );
    expectAsOnCpu([[60, 50]], (x) => [
      tf.cast(tf.mul(x!, 9), 'int32'),
      tf.cast(tf.cast(tf.mul(x!, 9), 'int32'), 'float32'),
    ]);
  });

  test('whole numbers wrap as on cpu', () =>
    expectAsOnCpu([[60, 50]], (x) => {
      const whole = tf.cast(tf.mul(x!, 2e9), 'int32');
      return [tf.add(whole, whole), tf.mul(whole, 3), tf.maximum(whole, 5)];
    }));
});

describe.skipIf(missing)('reductions', () => {
  const reductions = { Sum: tf.sum, Mean: tf.mean, Max: tf.max, Min: tf.min, Prod: tf.prod };
  for (const [kernel, f] of Object.entries(reductions))
    test.each([[0], [1], [2], [[0, 1]], [[1, 2]], [[0, 2]], [undefined]] as [number | number[] | undefined][])(
      `${kernel} along %s`,
      (axis) => {
        const shape = kernel === 'Prod' ? [4, 40, 9] : [20, 30, 40];
        const by = (x: tf.Tensor) => f(kernel === 'Prod' ? tf.add(x, 1.5) : x, axis);
        expectAsOnCpu([shape], kernel === 'Prod' ? (x) => by(x!) : withGradients((x) => by(x!)), { kernels: [kernel] });
        expectAsOnCpu([shape], (x) => f(x!, axis, true));
      },
    );

  test.each(Object.entries(reductions))('%s of NaN and infinities', (_, f) => {
    const numbers = values('with gaps', [60, 50]);
    for (const [i, special] of [NaN, Infinity, -Infinity, NaN].entries()) numbers[i * 777 + 5] = special;
    for (const axis of [0, 1]) expectSame([{ shape: [60, 50], numbers }], (x) => f(x!, axis), {});
  });

  test('Softmax and log-softmax', () => {
    expectAsOnCpu(
      [[60, 50]],
      withGradients((x) => tf.softmax(tf.mul(x!, 30))),
      { kernels: ['Softmax'] },
    );
    expectAsOnCpu(
      [[5, 6, 50]],
      withGradients((x) => tf.softmax(x!)),
      { kernels: ['Softmax'] },
    );
    expectAsOnCpu(
      [[60, 50]],
      withGradients((x) => tf.logSoftmax(tf.mul(x!, 30))),
      { kernels: ['Max', 'Exp'] },
    );
    const masked = Array.from(values('masked', [60, 50]), (u) => (u > 0 ? -Infinity : u));
    expectSame([{ shape: [60, 50], numbers: masked }], (x) => tf.softmax(x!), { kernels: ['Softmax'] });
  });
});

describe.skipIf(missing)('layout', () => {
  test.each([[[0, 2, 1]], [[2, 1, 0]], [[1, 0, 2]], [[2, 0, 1]], [[1, 2, 0]], [[0, 1, 2]]])('Transpose %s', (perm) => {
    expectAsOnCpu(
      [[11, 13, 17]],
      withGradients((x) => tf.transpose(x!, perm)),
    );
    expectAsOnCpu([[11, 1, 17, 1, 13]], (x) => tf.transpose(x!, [...perm.map((axis) => 2 * axis), 1, 3]));
    expectAsOnCpu([[11, 13, 17]], (x) => tf.transpose(tf.cast(tf.mul(x!, 99), 'int32'), perm));
  });

  test('Transpose of axes of one place moves nothing', () => {
    expectAsOnCpu([[2, 1, 3, 4]], (x) => tf.transpose(x!, [0, 2, 1, 3]), { kernels: ['Transpose'] });
    expectAsOnCpu([[1, 30, 1, 70]], (x) => tf.transpose(x!, [1, 2, 0, 3]), { kernels: ['Transpose'] });
  });

  test('Concat, Pack and back', () => {
    for (const axis of [0, 1, 2]) {
      expectAsOnCpu(
        [
          [11, 13, 17],
          [11, 13, 17],
        ],
        withGradients((a, b) => tf.concat([a!, b!], axis)),
        { kernels: ['Concat'] },
      );
      expectAsOnCpu(
        [
          [11, 13, 17],
          [11, 13, 17],
        ],
        withGradients((a, b) => tf.stack([a!, b!], axis)),
        { kernels: ['Pack'] },
      );
      expectAsOnCpu([[11, 13, 17]], (x) => tf.unstack(x!, axis));
      expectAsOnCpu([[12, 12, 16]], (x) => tf.split(x!, 4, axis));
    }
    expectAsOnCpu(
      [
        [11, 3, 17],
        [11, 0, 17],
        [11, 7, 17],
      ],
      (...xs) => tf.concat(xs, 1),
      { kernels: ['Concat'] },
    );
    expectAsOnCpu(
      [[12, 12, 16]],
      withGradients((x) => tf.split(x!, [3, 4, 5], 1)[1]!),
      { kernels: ['SplitV'] },
    );
    expectAsOnCpu(
      [
        [3, 400],
        [4, 400],
      ],
      (...xs) =>
        tf.concat(
          xs.map((x) => tf.cast(tf.mul(x, 9), 'int32')),
          0,
        ),
    );
  });

  test('Slice, Tile and Pad', () => {
    expectAsOnCpu(
      [[12, 13, 36]],
      withGradients((x) => tf.slice(x!, [1, 2, 3], [10, 10, 30])),
      { kernels: ['Slice', 'PadV2'] },
    );
    expectAsOnCpu(
      [[12, 13, 36]],
      withGradients((x) => tf.slice(x!, [1, 0, 0], [10, -1, -1])),
    );
    expectAsOnCpu(
      [[12, 13, 1]],
      withGradients((x) => tf.tile(x!, [2, 1, 36])),
      { kernels: ['Tile'] },
    );
    expectAsOnCpu(
      [[12, 13, 20]],
      withGradients((x) =>
        tf.pad(
          x!,
          [
            [1, 2],
            [0, 0],
            [3, 1],
          ],
          0.5,
        ),
      ),
      { kernels: ['PadV2'] },
    );
  });
});

describe.skipIf(missing)('what tfjs has no kernels for', () => {
  test.each([[[3, 7]], [[300, 70]]])('layer norm and gelu of [%s]', (shape) => {
    const size = [shape[1]!];
    expectAsOnCpu(
      [shape, size, size],
      (x, weight, bias) => layerNorm({ weight: weight as tf.Tensor1D, bias: bias as tf.Tensor1D }, x!, 1e-5),
      { kernels: ['LayerNorm'] },
    );
    for (const name of ['gelu', 'gelu_new'])
      expectAsOnCpu([shape], (x) => activation(name)(tf.mul(x!, 4)), { kernels: ['Gelu'] });
  });

  test.each([
    [[3, 7], 5],
    [[20, 4, 30], 40],
  ] as [number[], number][])('linear layer of [%s]', (shape, columns) =>
    expectAsOnCpu(
      [shape, [shape.at(-1)!, columns], [columns]],
      (x, weight, bias) => dense({ weight: weight as tf.Tensor2D, bias: bias as tf.Tensor1D }, x!),
      { kernels: shape.length === 2 ? [] : ['Dense'] },
    ),
  );

  test('two norms that differ in their epsilon are two', () => {
    const norm = (epsilon: number) => (x: tf.Tensor) =>
      layerNorm({ weight: tf.ones([70]) as tf.Tensor1D, bias: tf.zeros([70]) as tf.Tensor1D }, x, epsilon);
    for (const epsilon of [1e-5, 1]) expectAsOnCpu([[300, 70]], (x) => norm(epsilon)(x!), { kernels: ['LayerNorm'] });
  });

  test('steps of Adam, with numbers for more than one part of them', () => {
    expectAsOnCpu(
      [[300_000], [3, 5], [300_000], [3, 5], []],
      (large, small, ofLarge, ofSmall, clip) => {
        const parameters = new Map([large!, small!].map((x, i) => [`${i}`, tf.variable(x)]));
        const optimizer = adamW(0.01, { weightDecay: 0.1 });
        for (let step = 0; step < 3; step++) {
          const grads = [ofLarge!, ofSmall!].map((gradient, i) => [`${i}`, tf.add(gradient, step / 2)] as const);
          optimizer.apply(parameters, new Map(grads), () => 1, step === 1 ? (tf.abs(clip!) as tf.Scalar) : undefined);
        }
        optimizer.dispose();
        return [...parameters.values()].map((parameter) => {
          const changed = tf.clone(parameter);
          parameter.dispose();
          return changed;
        });
      },
      { kernels: ['AdamStep'] },
    );
  });

  test.each([
    [2, 3, 4, 5],
    [3, 2, 50, 40],
    [5, 3, 200, 200], // two parts, the last one with fewer images than the other
  ])(
    'scores of additive attention: %s images, %s rows each, %s positions, size %s',
    (images, perImage, positions, size) => {
      for (const activation of ['tanh', 'relu'] as const)
        expectAsOnCpu(
          [[images * perImage, size], [images, positions, size], [size, 1], [1]],
          withGradients((asked, keys, weight, bias) =>
            scoresOfSums(
              {
                asked: asked as tf.Tensor2D,
                keys: keys as tf.Tensor3D,
                score: { weight: weight as tf.Tensor2D, bias: bias as tf.Tensor1D },
              },
              activation,
            ),
          ),
          { kernels: images > 2 ? ['AdditiveScores'] : [], tolerance: 1e-4 },
        );
      for (const activation of ['tanh', 'relu'] as const)
        expectAsOnCpu(
          [
            [images * perImage, size],
            [images, positions, size],
            [images * perImage, positions],
            [size, 1],
            [images, positions, 6],
            [images * perImage, 6],
            [images * perImage, positions],
          ],
          (asked, keys, weights, weight, features, context, given) => {
            const found = additiveAttentionBackward(
              { score: { weight: weight as tf.Tensor2D, bias: tf.zeros([1]) } },
              { asked: asked as tf.Tensor2D, weights: tf.softmax(weights as tf.Tensor2D) },
              { features: features as tf.Tensor3D, keys: keys as tf.Tensor3D },
              activation,
              context as tf.Tensor2D,
              given as tf.Tensor2D,
            );
            return [found.asked, ...Object.values(found.sums)];
          },
          { kernels: images > 2 ? ['AdditiveSlopes'] : [], tolerance: 1e-5 },
        );
    },
  );

  test.each([
    [2, 3],
    [40, 50],
  ])('%s rows of an LSTM of %s', (rows, size) => {
    expectAsOnCpu(
      [
        [rows, 4 * size],
        [rows, size],
      ],
      (gates, cell) => {
        const { next, activations } = lstmForward(tf.mul(gates!, 30), cell as tf.Tensor2D);
        const { before, ...others } = activations;
        return [...Object.values(next), ...Object.values(others)];
      },
      { kernels: rows === 40 ? ['LSTMCell'] : [] },
    );
    const shape = [rows, size];
    expectAsOnCpu(
      [...Array<number[]>(5).fill(shape), [rows, 3, size]],
      (...[hidden, cell, hiddenToOutput, hiddenToCell, cellToBefore, cellToGates]) => {
        const slopes = { hiddenToOutput, hiddenToCell, cellToBefore, cellToGates } as LSTMSlopes;
        return Object.values(lstmBackward(slopes, { hidden: hidden as tf.Tensor2D, cell: cell as tf.Tensor2D }));
      },
      { kernels: rows === 40 ? ['LSTMBackward'] : [] },
    );
  });

  test('is not computed in one where a tape records it', () => {
    tf.engine().setBackend('onnxruntime');
    tf.tidy(() =>
      tf.grad((x) => {
        expect(ownKernel('Gelu', { x }, { approximate: false })).toBeUndefined();
        return tf.square(x);
      })(tf.ones([4])),
    );
  });
});

describe.skipIf(missing)('lookups', () => {
  const ids = [5, 39, 0, 5, 7];
  test('GatherV2 and its gradient', () => {
    expectAsOnCpu(
      [[40, 50]],
      withGradients((x) => tf.gather(x!, tf.tensor1d(ids, 'int32'))),
      {
        kernels: ['GatherV2', 'UnsortedSegmentSum'],
      },
    );
    expectAsOnCpu(
      [[10, 40, 5]],
      withGradients((x) => tf.gather(x!, tf.tensor1d(ids, 'int32'), 1)),
      { kernels: ['GatherV2'] },
    );
    expectAsOnCpu([[10, 40, 5]], (x) => tf.gather(x!, tf.tensor2d(ids.slice(1), [2, 2], 'int32'), 1), {
      kernels: ['GatherV2'],
    });
    expectAsOnCpu([[10, 40, 3]], (x) => tf.gather(x!, tf.ones([10, 2], 'int32'), 1, 1));
  });

  test('GatherV2 says which index is out of range', () => {
    tf.engine().setBackend('onnxruntime');
    for (const index of [40, -1])
      expect(() => tf.tidy(() => tf.gather(tf.zeros([40, 50]), tf.tensor1d([3, index], 'int32')))).toThrow(`${index}`);
  });

  test('UnsortedSegmentSum leaves out what belongs to no segment; OneHot', () => {
    expectAsOnCpu([[6, 40]], (x) => tf.unsortedSegmentSum(x!, tf.tensor1d([0, 5, 5, 2, -1, 7], 'int32'), 7), {
      kernels: ['UnsortedSegmentSum'],
    });
    expectAsOnCpu([], () => [
      tf.oneHot(tf.tensor1d([5, 10, -1, 0], 'int32'), 7),
      tf.oneHot(tf.tensor2d([5, 10, -1, 0], [2, 2], 'int32'), 7, 2, -3),
    ]);
  });
});

describe.skipIf(missing)('convolutions', () => {
  const convolved = (strides: number, pad: 'same' | 'valid' | number) => (x?: tf.Tensor, filter?: tf.Tensor) =>
    tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, strides, pad);
  const byChannel = (strides: number, pad: 'same' | 'valid' | number) => (x?: tf.Tensor, filter?: tf.Tensor) =>
    tf.depthwiseConv2d(x as tf.Tensor4D, filter as tf.Tensor4D, strides, pad);

  for (const [height, width] of [
    [7, 9],
    [8, 8],
    [12, 5],
  ] as const)
    for (const filter of [
      [1, 1],
      [3, 3],
      [2, 3],
      [5, 1],
    ] as const)
      test(`of [${height}, ${width}] with [${filter}], all strides and paddings, and their gradients`, () => {
        for (const strides of [1, 2, 3])
          for (const pad of ['same', 'valid', 1] as const) {
            // Where tfjs takes the filter's height for its width, the cpu backend computes.
            const own = pad !== 1 || filter[0] === filter[1];
            for (const [inputs, outputs] of [
              [12, 4],
              [5, 1],
            ] as const)
              expectAsOnCpu(
                [
                  [3, height, width, inputs],
                  [...filter, inputs, outputs],
                ],
                withGradients(convolved(strides, pad)),
                {
                  kernels:
                    own && inputs === 12 && filter[0] > 1
                      ? ['Conv2D', 'Conv2DBackpropInput', 'Conv2DBackpropFilter']
                      : [],
                  tolerance: 3e-5,
                },
              );
            for (const multiplier of [1, 2])
              expectAsOnCpu(
                [
                  [3, height, width, 5],
                  [...filter, 5, multiplier],
                ],
                withGradients(byChannel(strides, pad)),
                {
                  kernels: own ? ['DepthwiseConv2dNative', 'DepthwiseConv2dNativeBackpropInput'] : [],
                  tolerance: 3e-5,
                },
              );
          }
      });

  test('dilated, channels first, with uneven pads, and fused', () => {
    const x = [2, 9, 9, 3];
    const conv =
      (...more: unknown[]) =>
      (x?: tf.Tensor, f?: tf.Tensor) =>
        (tf.conv2d as (...given: unknown[]) => tf.Tensor)(x, f, ...more);
    expectAsOnCpu([x, [3, 3, 3, 4]], conv(1, 'same', 'NHWC', 2), { kernels: ['Conv2D'] });
    expectAsOnCpu([x, [3, 3, 3, 4]], conv(1, 'same', 'NHWC', [2, 1]), { kernels: ['Conv2D'] });
    expectAsOnCpu(
      [
        [2, 3, 9, 9],
        [3, 3, 3, 4],
      ],
      conv(1, 'same', 'NCHW'),
    );
    expectAsOnCpu(
      [x, [3, 3, 3, 4]],
      conv(2, [
        [0, 0],
        [1, 2],
        [0, 1],
        [0, 0],
      ]),
      { kernels: ['Conv2D'] },
    );
    expectAsOnCpu([x, [3, 3, 3, 2]], (x, f) =>
      tf.depthwiseConv2d(x as tf.Tensor4D, f as tf.Tensor4D, 1, 'same', 'NHWC', 2),
    );
    for (const activation of ['linear', 'relu', 'relu6', 'sigmoid', 'elu'] as const) {
      const rest = { strides: 1, pad: 'same', activation } as const;
      type Four = tf.Tensor4D;
      expectAsOnCpu([x, [3, 3, 3, 4], [4]], (x, f, bias) =>
        tf.fused.conv2d({ x: x as Four, filter: f as Four, bias: bias!, ...rest }),
      );
      expectAsOnCpu([x, [3, 3, 3, 2], [6]], (x, f, bias) =>
        tf.fused.depthwiseConv2d({ x: x as Four, filter: f as Four, bias: bias!, ...rest }),
      );
    }
  });
});

describe.skipIf(missing)('convolutions that are put off', () => {
  const shape = [2, 24, 20, 8]; // enough for its memory to be used again
  const weights = { wide: [1, 1, 8, 24], bias: [24], byChannel: [3, 3, 24, 1], narrow: [1, 1, 24, 8] };
  type Weights = Record<keyof typeof weights, tf.Tensor>;
  const made = () => {
    const each = Object.entries(weights).map(([name, shape]) => [name, tf.tensor(values(name, shape), shape)] as const);
    return Object.fromEntries(each) as Weights;
  };
  const bottleneck = (x: tf.Tensor, { wide, bias, byChannel, narrow }: Weights) => {
    const conv = (x: tf.Tensor, filter: tf.Tensor) => tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, 'same');
    const inner = tf.relu6(tf.add(conv(x, wide), bias));
    const seen = tf.depthwiseConv2d(inner as tf.Tensor4D, byChannel as tf.Tensor4D, 1, 'same');
    return { inner, seen, out: tf.relu(tf.add(conv(tf.add(bias, seen), narrow), x)) };
  };
  const picture = () => tf.tensor(values('picture', shape), shape);
  const pending = (x: tf.Tensor) => onnx.deferred(x.dataId) !== undefined;
  const expected = () => {
    tf.engine().setBackend('cpu');
    return tf.tidy(() => {
      const { inner, seen, out } = bottleneck(picture(), made());
      return { inner: inner.dataSync(), seen: seen.dataSync(), out: out.dataSync() };
    });
  };
  const start = () => {
    const right = expected();
    tf.engine().setBackend('onnxruntime');
    return right;
  };

  test('are computed once their numbers are asked for, from tensors that are gone by then', async () => {
    const right = start();
    const before = onnx.blocks.memory().inUse;
    await expectNoLeak(() => {
      const [x, w] = [tf.tidy(() => tf.mul(picture(), 1)), made()];
      const out = tf.tidy(() => bottleneck(x, w).out);
      expect(pending(out)).toBe(true);
      tf.dispose([x, w]);
      tf.tidy(() => void Array.from({ length: 9 }, () => tf.mul(tf.ones(shape), 7)));
      expectClose(out, right.out, TOLERANCE);
      expect(pending(out)).toBe(false);
      out.dispose();
    });
    expect(onnx.blocks.memory().inUse).toBe(before);
  });

  test('are put off with bias and activation in one kernel, too', () => {
    const fused = (x: tf.Tensor, { wide, bias, byChannel }: Weights) => {
      const settings = { strides: 1, pad: 'same', activation: 'relu6' } as const;
      const inner = tf.fused.conv2d({ ...settings, x: x as tf.Tensor4D, filter: wide as tf.Tensor4D, bias });
      return tf.fused.depthwiseConv2d({ ...settings, x: inner, filter: byChannel as tf.Tensor4D, bias });
    };
    tf.engine().setBackend('cpu');
    const right = tf.tidy(() => fused(picture(), made()).dataSync());
    tf.engine().setBackend('onnxruntime');
    tf.tidy(() => {
      const out = fused(picture(), made());
      expect(pending(out)).toBe(true);
      expectClose(out, right, TOLERANCE);
    });
  });

  test('are put off with frames and pools between them', () => {
    const around = (x: tf.Tensor, before: number, after: number, value: number) =>
      tf.pad(
        x as tf.Tensor4D,
        [
          [0, 0],
          [before, after],
          [after, before],
          [0, 0],
        ],
        value,
      );
    const strided = (x: tf.Tensor, filter: tf.Tensor) =>
      tf.depthwiseConv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 2, 'valid');
    const chains: ((x: tf.Tensor4D, weights: Weights) => tf.Tensor)[] = [
      (x, { byChannel }) => strided(around(x, 1, 2, 0), byChannel),
      (x, { byChannel }) => strided(around(x, 2, 1, 0), byChannel), // of the same shape as the one before
      (x) => tf.maxPool(around(x, 1, 1, -3e38) as tf.Tensor4D, 3, 2, 'valid'),
      (x) => tf.maxPool(x, [3, 2], [2, 1], 'same'),
      (x) => tf.avgPool(x, 3, 1, 'same'),
      (x) => tf.avgPool(x, 2, 2, 'valid'),
      (x) => tf.maxPool(x, 3, 2, 1, 'ceil'), // ONNX would find another size: not put off
      (x) => tf.maxPool(tf.reshape<tf.Rank.R4>(x, [2, 12, 40, 24]), 3, 2, 'same'), // nor is what has another shape by now
      (x) => tf.relu(tf.reshape<tf.Rank.R3>(x, [2, -1, 24])),
      (x) =>
        tf.pad(
          tf.reshape(x, [2, -1, 24]),
          [
            [0, 0],
            [1, 0],
            [0, 2],
          ],
          3,
        ),
    ];
    const putOff = 6;
    for (const [i, chain] of chains.entries()) {
      const whole = (x: tf.Tensor, weights: Weights) => chain(bottleneck(x, weights).seen as tf.Tensor4D, weights);
      tf.engine().setBackend('cpu');
      const right = tf.tidy(() => whole(picture(), made()).dataSync());
      tf.engine().setBackend('onnxruntime');
      tf.tidy(() => {
        const out = whole(picture(), made());
        expect(pending(out)).toBe(i < putOff);
        expectClose(out, right, TOLERANCE);
      });
    }
  });

  test('give their intermediate results too, in any order, and to any operation', () => {
    const right = start();
    tf.tidy(() => {
      const { inner, seen, out } = bottleneck(picture(), made());
      expectClose(
        tf.add(tf.reshape(out, [-1]), 1),
        right.out.map((y) => y + 1),
        TOLERANCE,
      );
      expectClose(seen, right.seen, TOLERANCE);
      expectClose(tf.slice(inner, 0, 1), right.inner.slice(0, right.inner.length / 2), TOLERANCE);
      expectClose(tf.transpose(tf.transpose(out, [3, 0, 1, 2]), [1, 2, 3, 0]), right.out, TOLERANCE);
    });
  });

  test('that nobody asks for are not computed', async () => {
    start();
    const before = onnx.blocks.memory().inUse;
    await expectNoLeak(() => {
      const calls: KernelCall[] = [];
      const out = tf.tidy(() => bottleneck(picture(), made()).out);
      profileKernels(
        () => out.dispose(),
        (call) => calls.push(call),
      );
      expect(calls).toEqual([]);
    });
    expect(onnx.blocks.memory().inUse).toBe(before);
  });

  test('take the weights as they were, not as they are assigned later', () => {
    tf.engine().setBackend('cpu');
    const doubled = tf.tidy(() => {
      const w = made();
      return bottleneck(picture(), { ...w, narrow: tf.mul(w.narrow, 2) }).out.dataSync();
    });
    const right = start();
    tf.tidy(() => {
      const w = made();
      const narrow = tf.variable(w.narrow);
      const first = bottleneck(picture(), { ...w, narrow }).out;
      narrow.assign(tf.mul(narrow, 2));
      expectClose(first, right.out, TOLERANCE);
      expectClose(bottleneck(picture(), { ...w, narrow }).out, doubled, TOLERANCE);
      narrow.dispose();
    });
  });

  test('are computed at once where gradients are taped', () => {
    start();
    tf.tidy(() => {
      const x = picture();
      const w = made();
      tf.grad((x) => {
        const { out } = bottleneck(x, w);
        expect(pending(out)).toBe(false);
        return tf.sum(out);
      })(x);
    });
  });
});

describe.skipIf(missing)('what has no numbers, or one', () => {
  test('is computed as on cpu', () => {
    expectAsOnCpu([], () => [tf.add(tf.zeros([0, 3000]), tf.zeros([3000])), tf.sum(tf.zeros([0, 3000]), 0)]);
    expectAsOnCpu([], () => [
      tf.matMul(tf.zeros([100, 0]), tf.zeros([0, 100])),
      tf.concat([tf.zeros([0, 9]), tf.zeros([0, 9])]),
    ]);
    expectAsOnCpu(
      [[]],
      withGradients((x) => tf.tanh(tf.mul(x!, 3))),
    );
  });
});

describe.skipIf(missing)('memory that is used again', () => {
  const SIZE = 50_000;
  const filled = (value: number) => tf.tidy(() => tf.mul(tf.ones([SIZE]), value));
  const all = (x: ArrayLike<number>, value: number) => Array.from(x).every((each) => each === value);
  const inUse = () => onnx.blocks.memory().inUse;

  test('a block that is free is taken again, and only then', () => {
    tf.engine().setBackend('onnxruntime');
    const first = filled(2);
    const buffer = bufferOf(first);
    expect(onnx.blocks.owns(buffer)).toBe(true);
    first.dispose();
    const second = filled(3);
    expect(bufferOf(second)).toBe(buffer);
    const third = filled(4);
    expect(bufferOf(third)).not.toBe(buffer);
    expect(all(second.dataSync(), 3)).toBe(true);
    tf.dispose([second, third]);
  });

  const shared: Record<string, (x: tf.Tensor) => tf.Tensor> = {
    slice: (x) => tf.slice(x, [5], [SIZE - 10]),
    reshape: (x) => tf.reshape(x, [SIZE / 2, 2]),
    clone: (x) => tf.clone(x),
    cast: (x) => tf.cast(x, 'float32'),
    'slice of a reshape': (x) => tf.tidy(() => tf.slice(tf.reshape(x, [SIZE / 2, 2]), [1, 0], [SIZE / 2 - 1, 2])),
    split: (x) => tf.tidy(() => tf.split(x, 2)[1]!),
    variable: (x) => tf.variable(x),
  };
  test.each(Object.entries(shared))('%s keeps the numbers of a tensor that is disposed', async (_, share) => {
    tf.engine().setBackend('onnxruntime');
    const before = inUse();
    await expectNoLeak(() => {
      const x = filled(2);
      const part = share(x);
      x.dispose();
      const others = [3, 4, 5].map(filled);
      expect(all(part.dataSync(), 2)).toBe(true);
      tf.dispose([part, ...others]);
    });
    expect(inUse()).toBe(before);
  });

  test('what was read stays as it was, and writing into it changes nothing', async () => {
    tf.engine().setBackend('onnxruntime');
    const x = filled(2);
    const [now, later] = [x.dataSync(), await x.data()];
    const buffer = await x.buffer();
    now.fill(7);
    expect(all(x.dataSync(), 2)).toBe(true);
    x.dispose();
    tf.dispose([3, 4, 5].map(filled));
    expect(all(now, 7) && all(later, 2) && all(buffer.values as Float32Array, 2)).toBe(true);
  });

  test('a tensor moves to another backend and back', async () => {
    tf.engine().setBackend('onnxruntime');
    const x = filled(2);
    tf.engine().setBackend('cpu');
    const onCpu = tf.add(x, 1);
    tf.engine().setBackend('onnxruntime');
    const back = tf.add(onCpu, tf.add(x, 1));
    tf.dispose([3, 4, 5].map(filled));
    expect(all(back.dataSync(), 6)).toBe(true);
    tf.dispose([x, onCpu, back]);
  });

  test('a variable that is assigned to frees what it held', () => {
    tf.engine().setBackend('onnxruntime');
    const variable = tf.tidy(() => tf.variable(filled(2)));
    const before = inUse();
    for (let i = 0; i < 5; i++) tf.tidy(() => variable.assign(tf.add(variable, 1)));
    expect(inUse()).toBe(before);
    expect(all(variable.dataSync(), 7)).toBe(true);
    variable.dispose();
  });

  test('no more is kept than a quarter above what was needed at once', () => {
    tf.engine().setBackend('onnxruntime');
    tf.tidy(() => void [1, 2, 3, 4].map(filled));
    for (let size = 6000; size < 60_000; size += 1500) tf.tidy(() => void tf.mul(tf.ones([size]), 2));
    const { inUse, free, mostInUse } = onnx.blocks.memory();
    expect(inUse + free).toBeLessThanOrEqual(1.25 * mostInUse);
  });
});

function bufferOf(x: tf.Tensor): ArrayBufferLike {
  return (onnx.data.get(x.dataId).values as Float32Array).buffer;
}
