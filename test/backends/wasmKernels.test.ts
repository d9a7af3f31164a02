import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { beforeAll, describe, expect, test } from 'vitest';
import { repairWasm } from '../../src/backends/wasm/repair';
import { Random } from '../../src/core/random';
import { expectClose, expectNoLeak } from '../helpers';

/**
 * The reference is the cpu backend of TensorFlow.js. Both compute in float32 but add in another order: a sum of n
 * products of values in [-1, 1) differs by a few times sqrt(n) * 6e-8, below 1e-5 for the few hundred terms here.
 */
const TOLERANCE = 1e-5;

beforeAll(async () => {
  repairWasm();
  expect(await tf.setBackend('wasm')).toBe(true);
});

const values = (name: string, shape: number[]) =>
  new Random(3)
    .fork(name)
    .uniform(tf.util.sizeFromShape(shape))
    .map((u) => 2 * u - 1);

/** What `compute` returns on a backend; its arguments are random tensors of these shapes. */
async function on(backend: string, shapes: number[][], compute: (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[]) {
  await tf.setBackend(backend);
  return expectNoLeak(() => {
    const engine = tf.backend();
    const stored = engine.numDataIds();
    const results = tf.tidy(() => {
      const outputs = compute(...shapes.map((shape, i) => tf.tensor(values(`input ${i}`, shape), shape)));
      return [outputs].flat().map((output) => ({ shape: output.shape, values: output.dataSync() }));
    });
    expect(engine.numDataIds() - stored, `values left behind in ${backend}`).toBe(0);
    return results;
  });
}

async function expectAsOnCpu(
  shapes: number[][],
  compute: (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[],
  tolerance = TOLERANCE,
) {
  const expected = await on('cpu', shapes, compute);
  const actual = await on('wasm', shapes, compute);
  expect(actual.map(({ shape }) => shape)).toEqual(expected.map(({ shape }) => shape));
  for (const [i, output] of actual.entries()) expectClose(output.values, expected[i]!.values, tolerance, tolerance);
}

/** The gradients by every input of the output times random numbers. */
const gradients =
  (f: (...inputs: tf.Tensor[]) => tf.Tensor) =>
  (...inputs: tf.Tensor[]) =>
    tf.grads((...xs) => {
      const y = f(...xs);
      return tf.sum(tf.mul(y, tf.tensor(values('dy', y.shape), y.shape)));
    })(inputs);

describe('matMul', () => {
  const cases: [number[], number[], boolean, boolean][] = [
    [[3, 5], [5, 4], false, false],
    [[5, 3], [5, 4], true, false],
    [[3, 5], [4, 5], false, true],
    [[5, 3], [4, 5], true, true],
    [[20, 30], [25, 30], false, true],
    [[4, 1, 9], [4, 9, 5], false, false],
    [[4, 3, 10], [4, 5, 10], false, true],
    [[4, 11, 2], [4, 11, 5], true, false],
    [[4, 12, 2], [4, 5, 12], true, true],
    [[2, 3, 5], [2, 5, 4], false, false],
    [[2, 20, 31], [2, 31, 22], false, false],
    [[2, 31, 20], [2, 31, 22], true, false],
    [[2, 20, 31], [2, 22, 31], false, true],
    [[2, 31, 20], [2, 22, 31], true, true],
    [[2, 3, 20, 31], [2, 3, 31, 22], false, false],
    [[2, 3, 20, 31], [1, 1, 31, 22], false, false],
    [[4, 20, 31], [1, 22, 31], false, true],
    [[1, 20, 31], [4, 31, 22], false, false],
    [[1, 20, 31], [1, 22, 31], false, true],
  ];
  test.each(cases)('%j x %j, transposed %s %s', (a, b, transposeA, transposeB) =>
    expectAsOnCpu([a, b], (x, y) => tf.matMul(x!, y!, transposeA, transposeB)),
  );

  // Gradients of products whose batches are broadcast are not there on any backend.
  const equalBatches = cases.filter(([a, b]) => `${a.slice(0, -2)}` === `${b.slice(0, -2)}`);
  test.each(equalBatches)('gradients of %j x %j, transposed %s %s', (a, b, transposeA, transposeB) =>
    expectAsOnCpu(
      [a, b],
      gradients((x, y) => tf.matMul(x!, y!, transposeA, transposeB)),
    ),
  );
});

describe('gather', () => {
  test('its gradient adds the rows of words that occur twice', () =>
    expectAsOnCpu(
      [[7, 3]],
      gradients((table) => tf.gather(table!, tf.tensor1d([4, 0, 4, 6, 4], 'int32'))),
    ));
  test('its gradient along another axis, by ids in two dimensions', () =>
    expectAsOnCpu(
      [[2, 5, 3]],
      gradients((x) =>
        tf.gather(
          x!,
          tf.tensor2d(
            [
              [1, 1, 4],
              [0, 2, 1],
            ],
            [2, 3],
            'int32',
          ),
          1,
        ),
      ),
    ));
  test('segment sum leaves out ids that name no segment', () =>
    expectAsOnCpu([[4, 2, 3]], (x) => tf.unsortedSegmentSum(x!, tf.tensor1d([1, -1, 5, 1], 'int32'), 3)));
});

describe('slices', () => {
  const cases: [number[], number[], number[]][] = [
    [[7], [2], [4]],
    [
      [5, 6],
      [1, 0],
      [3, 6],
    ],
    [
      [5, 6],
      [0, 2],
      [5, 3],
    ],
    [
      [3, 4, 5],
      [1, 1, 2],
      [2, 2, 2],
    ],
    [
      [3, 4, 5],
      [1, 2, 0],
      [1, 2, 5],
    ],
    [
      [2, 3, 4, 5],
      [1, 0, 1, 0],
      [1, 3, 2, 5],
    ],
    [
      [2, 3, 4, 5],
      [0, 1, 1, 1],
      [2, 2, 3, 4],
    ],
    [
      [2, 3, 2, 3, 4],
      [0, 1, 0, 1, 1],
      [2, 2, 1, 2, 2],
    ],
    [
      [4, 3],
      [2, 0],
      [0, 3],
    ],
  ];
  test.each(cases)('of %j from %j of %j', (shape, begin, size) =>
    expectAsOnCpu([shape], (x) => [tf.slice(x!, begin, size), tf.slice(tf.greater(x!, 0), begin, size)]),
  );
  test.each(cases)('gradient of %j from %j of %j', (shape, begin, size) =>
    expectAsOnCpu(
      [shape],
      gradients((x) => tf.slice(x!, begin, size)),
    ),
  );
  test.each([0, 1, 2, -1])('split along %i', (axis) =>
    expectAsOnCpu([[4, 4, 4]], (x) => [...tf.split(x!, 2, axis), ...tf.split(x!, [1, 0, 3], axis)]),
  );
  test('gradient of a split', () =>
    expectAsOnCpu(
      [[2, 6]],
      gradients((x) => {
        const [a, b, c] = tf.split(x!, 3, 1) as [tf.Tensor, tf.Tensor, tf.Tensor];
        return tf.add(tf.mul(a, tf.sigmoid(b)), tf.tanh(c));
      }),
    ));
});

describe('moving values', () => {
  const permutations: [number[], number[]][] = [
    [
      [2, 3],
      [1, 0],
    ],
    [
      [37, 41],
      [1, 0],
    ],
    [
      [3, 4, 5],
      [0, 1, 2],
    ],
    [
      [3, 4, 5],
      [0, 2, 1],
    ],
    [
      [3, 4, 5],
      [1, 0, 2],
    ],
    [
      [3, 4, 5],
      [1, 2, 0],
    ],
    [
      [3, 4, 5],
      [2, 0, 1],
    ],
    [
      [3, 4, 5],
      [2, 1, 0],
    ],
    [
      [1, 4, 1, 5],
      [3, 2, 1, 0],
    ],
    [
      [2, 3, 4, 5],
      [0, 2, 1, 3],
    ],
    [
      [2, 3, 4, 5],
      [3, 0, 1, 2],
    ],
    [
      [2, 3, 4, 5],
      [1, 2, 3, 0],
    ],
    [
      [2, 3, 4, 5],
      [3, 1, 2, 0],
    ],
    [
      [2, 3, 4, 40],
      [0, 2, 1, 3],
    ],
  ];
  test.each(permutations)('transpose %j by %j', (shape, perm) =>
    expectAsOnCpu([shape], (x) => [tf.transpose(x!, perm), tf.transpose(tf.greater(x!, 0), perm)]),
  );

  test.each([0, 1, 2, -1])('gather along axis %i', (axis) =>
    expectAsOnCpu([[3, 4, 40]], (x) => [
      tf.gather(x!, tf.tensor1d([2, 0, 2, 1], 'int32'), axis),
      tf.gather(
        x!,
        tf.tensor2d(
          [
            [2, 0],
            [1, 1],
            [0, 2],
          ],
          [3, 2],
          'int32',
        ),
        axis,
      ),
      tf.gather(tf.greater(x!, 0), tf.tensor1d([2, 0], 'int32'), axis),
    ]),
  );
  test.each([-1, 3])('gather refuses index %i', async (index) => {
    await on('wasm', [[3, 4]], (x) => {
      expect(() => tf.gather(x!, tf.tensor1d([0, index], 'int32'))).toThrow(`index ${index}`);
      return [];
    });
  });

  test.each([[[2, 1, 3]], [[1, 5, 1]], [[300, 2, 1]], [[1, 1, 1]]])('tile %j', (reps) =>
    expectAsOnCpu([[3, 4, 5]], (x) => [tf.tile(x!, reps), tf.tile(tf.greater(x!, 0), reps)]),
  );
});

describe('reductions', () => {
  test.each([[0], [1], [2], [[0, 1]], [[1, 2]], [[0, 2]], [[0, 1, 2]], [[1, 0]], [[-2]], [[]]])(
    'over axis %j',
    (axis) =>
      expectAsOnCpu([[7, 6, 5]], (x) => [
        tf.sum(x!, axis),
        tf.sum(x!, axis, true),
        tf.mean(x!, axis),
        tf.mean(x!, axis, true),
        tf.sum(tf.greater(x!, 0), axis),
      ]),
  );
  test('gradients of sums and means', () =>
    expectAsOnCpu(
      [[7, 6, 5]],
      gradients((x) => tf.mul(tf.sum(x!, 1), tf.mean(x!, [0, 1]))),
    ));
});

test('tanh and its gradient, where it is steep and where it is flat', () =>
  expectAsOnCpu([[999]], (x) => {
    const wide = tf.mul(tf.mul(x!, tf.square(x!)), 40);
    return [tf.tanh(wide), tf.grad((y) => tf.tanh(y))(wide)];
  }));

type Pad = 'same' | 'valid' | number | [[0, 0], [number, number], [number, number], [0, 0]];
const paddings: Pad[] = [
  'same',
  'valid',
  0,
  1,
  2,
  [
    [0, 0],
    [0, 1],
    [2, 1],
    [0, 0],
  ],
];
const strides: [number, number][] = [
  [1, 1],
  [2, 2],
  [3, 3],
  [1, 2],
];
const filters: [number, number][] = [
  [1, 1],
  [3, 3],
  [2, 3],
  [5, 4],
];
// tfjs-core takes height and stride of the filter for both directions where the padding is a number.
const square = ([height, width]: [number, number]) => height === width;
const grid = paddings.flatMap((pad) =>
  strides.flatMap((stride) =>
    filters
      .filter((filter) => typeof pad !== 'number' || (square(filter) && square(stride)))
      .map((filter) => ({ pad, stride, filter })),
  ),
);

describe.each([{ size: [7, 6] }, { size: [5, 9] }])('convolutions of pictures of $size', ({ size }) => {
  test.each(grid)('conv2d, filter $filter, strides $stride, padding $pad', ({ pad, stride, filter }) =>
    expectAsOnCpu(
      [
        [2, ...size, 3],
        [...filter, 3, 4],
      ],
      gradients((x, w) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, pad)),
    ),
  );
  test.each(grid)('depthwiseConv2d, filter $filter, strides $stride, padding $pad', ({ pad, stride, filter }) =>
    expectAsOnCpu(
      [
        [2, ...size, 3],
        [...filter, 3, 1],
      ],
      gradients((x, w) => tf.depthwiseConv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, pad)),
    ),
  );
});

test.each(['same', 'valid'] as const)('depthwiseConv2d with several outputs per channel, %s', (pad) =>
  expectAsOnCpu(
    [
      [2, 6, 5, 3],
      [3, 3, 3, 2],
    ],
    gradients((x, w) => tf.depthwiseConv2d(x as tf.Tensor4D, w as tf.Tensor4D, 2, pad)),
  ),
);

test('the gradient of a filter whose patches do not fit in memory at once', () =>
  expectAsOnCpu(
    [
      [2, 64, 64, 64],
      [9, 9, 64, 1],
    ],
    gradients((x, w) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, 'same')),
    1e-3, // sums of 8192 products
  ));

test('a copy shares the data of what it was made from, which may go first', async () => {
  await tf.setBackend('wasm');
  await expectNoLeak(() => {
    const engine = tf.backend();
    const stored = engine.numDataIds();
    const given = tf.tensor1d([1, 2, 3]);
    const copy = tf.clone(given);
    expect(engine.numDataIds() - stored).toBe(1);
    given.dispose();
    expectClose(
      tf.tidy(() => tf.square(copy).dataSync()),
      [1, 4, 9],
      0,
    );
    copy.dispose();
    expect(engine.numDataIds() - stored).toBe(0);
  });
});
