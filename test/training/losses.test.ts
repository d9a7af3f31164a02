import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type LinearParams, linear } from '../../src/core/linear';
import { Random } from '../../src/core/random';
import { selectBackend } from '../../src/node/backends';
import { clipByGlobalNorm } from '../../src/training/gradients';
import { crossEntropy, doublyStochastic, linearCrossEntropy, softCrossEntropy } from '../../src/training/losses';
import { expectClose, expectNoLeak } from '../helpers';
import { golden, tensorOf } from './golden';

await tf.setBackend('cpu');

const { logits, targets, cases } = golden.crossEntropy;

// float32 against double: sums of at most 35 terms of order 1.
test.each(cases)('cross-entropy with label smoothing $labelSmoothing', ({ labelSmoothing, loss, gradient }) =>
  expectNoLeak(() => {
    tf.tidy(() => {
      const wanted = tf.tensor1d(targets, 'int32');
      const found = tf.valueAndGrad((x: tf.Tensor2D) => crossEntropy(x, wanted, labelSmoothing));
      const { value, grad } = found(tensorOf<tf.Rank.R2>(logits));
      expectClose(value, loss.values, 1e-6);
      expectClose(grad, gradient.values, 1e-7);
    });
  }),
);

describe('the loss of a linear layer, some rows at a time', () => {
  // The golden logits are what the identity makes of them.
  test.each(cases)('agrees with PyTorch, label smoothing $labelSmoothing', ({ labelSmoothing, loss, gradient }) =>
    expectNoLeak(() => {
      tf.tidy(() => {
        const [, vocabSize] = logits.shape as [number, number];
        const output = { weight: tf.eye(vocabSize), bias: tf.zeros<tf.Rank.R1>([vocabSize]) };
        for (const chunk of [1, 2 * vocabSize + 1, 1000]) {
          const { value, grad } = tf.valueAndGrad((hidden: tf.Tensor2D) =>
            linearCrossEntropy({ hidden, output }, tf.tensor1d(targets, 'int32'), labelSmoothing, undefined, chunk),
          )(tensorOf<tf.Rank.R2>(logits));
          expectClose(value, loss.values, 1e-6);
          expectClose(grad, gradient.values, 1e-7);
        }
      });
    }),
  );

  test.each([1, 11, 1000])(
    'has the gradients of the layer and of the cross-entropy after it, %i numbers at once',
    (chunk) =>
      expectNoLeak(() => {
        tf.tidy(() => {
          const random = new Random(3);
          const draw = (name: string, shape: number[]) =>
            tf.tensor(random.fork(name).normal(tf.util.sizeFromShape(shape)), shape);
          const inputs = [draw('hidden', [5, 3]), draw('weight', [3, 4]), draw('bias', [4])];
          const wanted = tf.tensor1d([3, 0, 2, 2, 1], 'int32');
          const inParts = (hidden: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor) => {
            const output = { weight, bias } as LinearParams;
            return tf.mul(
              linearCrossEntropy({ hidden: hidden as tf.Tensor2D, output }, wanted, 0.1, undefined, chunk),
              2,
            );
          };
          const whole = (hidden: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor) => {
            const output = { weight, bias } as LinearParams;
            return tf.mul(crossEntropy(linear(output, hidden as tf.Tensor2D), wanted, 0.1), 2);
          };
          const [found, expected] = [inParts, whole].map((loss) => tf.valueAndGrads(loss)(inputs)) as [
            ReturnType<ReturnType<typeof tf.valueAndGrads>>,
            ReturnType<ReturnType<typeof tf.valueAndGrads>>,
          ];
          expectClose(found.value, expected.value, 1e-6);
          expectClose(inParts(inputs[0]!, inputs[1]!, inputs[2]!), expected.value, 1e-6);
          for (const [i, gradient] of found.grads.entries()) expectClose(gradient, expected.grads[i]!, 1e-6);
        });
      }),
  );
});

describe('weights of words', () => {
  const random = new Random(4);
  const numbers = (name: string, shape: [number, number]) =>
    tf.tensor2d(random.fork(name).normal(shape[0] * shape[1]), shape);
  const factors = [2, -0.5, 0, 1, 3];

  test('multiply the loss and the gradient of each, before the mean', () =>
    expectNoLeak(() => {
      tf.tidy(() => {
        const x = numbers('logits', [5, 4]);
        const wanted = [3, 0, 2, 2, 1];
        const weighted = tf.valueAndGrad((logits: tf.Tensor2D) =>
          crossEntropy(logits, tf.tensor1d(wanted, 'int32'), 0.1, tf.tensor1d(factors)),
        )(x);
        const byHand = tf.valueAndGrad((logits: tf.Tensor2D) => {
          const parts = wanted.map((target, i) =>
            tf.mul(crossEntropy(tf.slice(logits, [i, 0], [1, 4]), tf.tensor1d([target], 'int32'), 0.1), factors[i]!),
          );
          return tf.div<tf.Scalar>(tf.addN(parts), 5);
        })(x);
        expectClose(weighted.value, byHand.value, 1e-6);
        expectClose(weighted.grad, byHand.grad, 1e-6);
      });
    }));

  test.each([1, 9, 1000])('go with their rows where a layer is read in parts, %i numbers at once', (chunk) =>
    expectNoLeak(() => {
      tf.tidy(() => {
        const [wanted, weights] = [tf.tensor1d([3, 0, 2, 2, 1], 'int32'), tf.tensor1d(factors)];
        const inputs = [numbers('hidden', [5, 3]), numbers('weight', [3, 4]), tf.tensor1d([0.1, 0.2, 0.3, -0.1])];
        const losses = [
          (hidden: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor) => {
            const output = { weight, bias } as LinearParams;
            return linearCrossEntropy({ hidden: hidden as tf.Tensor2D, output }, wanted, 0, weights, chunk);
          },
          (hidden: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor) =>
            crossEntropy(linear({ weight, bias } as LinearParams, hidden as tf.Tensor2D), wanted, 0, weights),
        ];
        const [found, expected] = losses.map((loss) => tf.valueAndGrads(loss)(inputs));
        expectClose(found!.value, expected!.value, 1e-6);
        for (const [i, gradient] of found!.grads.entries()) expectClose(gradient, expected!.grads[i]!, 1e-6);
      });
    }),
  );
});

test.each([1, 2.5])('cross-entropy with probabilities is what autodiff makes of it, temperature %f', (temperature) =>
  expectNoLeak(() => {
    tf.tidy(() => {
      const random = new Random(5);
      const [x, y] = ['a', 'b'].map((name) => tf.tensor2d(random.fork(name).normal(12), [3, 4])) as [
        tf.Tensor2D,
        tf.Tensor2D,
      ];
      const wanted = tf.softmax(y);
      const found = tf.valueAndGrad((logits: tf.Tensor2D) =>
        tf.mul<tf.Scalar>(softCrossEntropy(logits, wanted, temperature), -2),
      )(x);
      const expected = tf.valueAndGrad((logits: tf.Tensor2D) =>
        tf.mul<tf.Scalar>(tf.mean(tf.sum(tf.mul(wanted, tf.logSoftmax(tf.div(logits, temperature))), 1)), 2),
      )(x);
      expectClose(found.value, expected.value, 1e-6);
      expectClose(found.grad, expected.grad, 1e-6);
    });
  }),
);

test('the gradient of the cross-entropy is scaled by what comes from above', () => {
  tf.tidy(() => {
    const wanted = tf.tensor1d(targets, 'int32');
    const grad = tf.grad((x) => tf.mul(crossEntropy(x as tf.Tensor2D, wanted, 0.1), -3))(tensorOf(logits));
    expectClose(
      grad,
      cases[1]!.gradient.values.map((value) => -3 * value),
      3e-7,
    );
  });
});

test('logits far apart overflow neither the loss nor its gradient', () => {
  tf.tidy(() => {
    const wanted = tf.tensor1d([1], 'int32');
    const { value, grad } = tf.valueAndGrad((x: tf.Tensor2D) => crossEntropy(x, wanted))(tf.tensor2d([[1e4, 0, -1e4]]));
    expectClose(value, [1e4], 0, 1e-6);
    expectClose(grad, [1, -1, 0], 1e-6);
  });
});

test('the doubly stochastic term leaves out padding', () => {
  tf.tidy(() => {
    const weights = tf.tensor3d([
      [
        [0.5, 0.25, 0.25],
        [0.1, 0.2, 0.7],
      ],
      [
        [0.9, 0.1, 0],
        [0.3, 0.3, 0.4],
      ],
    ]);
    // By hand: looked [[0.6, 0.45, 0.95], [0.9, 0.1, 0]], the second row's last word being padding.
    const expected = (0.4 ** 2 + 0.55 ** 2 + 0.05 ** 2 + 0.1 ** 2 + 0.9 ** 2 + 1) / 6;
    const term = doublyStochastic(
      weights,
      tf.tensor2d([
        [1, 1],
        [1, 0],
      ]),
    );
    expect(term.shape).toEqual([]);
    expectClose(term, [expected], 1e-6);
  });
});

describe('on wasm, whose sums go one by one in float32', () => {
  beforeAll(async () => {
    await selectBackend({ prefer: 'wasm', threads: 1 });
  });
  afterAll(async () => {
    await tf.setBackend('cpu');
  });

  const [n, vocabSize] = [1000, 2500];
  const values = new Random(1).uniform(n * vocabSize).map((u) => 2 * u - 1);

  test('the loss of a large batch keeps its digits', () => {
    let expected = 0;
    for (let row = 0; row < n; row++) {
      const logits = values.subarray(row * vocabSize, (row + 1) * vocabSize);
      const [total, mean] = [0, 0].map((_, i) =>
        logits.reduce((sum, x) => sum + (i === 0 ? Math.exp(x) : x / vocabSize), 0),
      ) as [number, number];
      // The target is word 7 everywhere.
      expected += (Math.log(total) - 0.9 * logits[7]! - 0.1 * mean) / n;
    }
    tf.tidy(() => {
      const targets = tf.fill([n], 7, 'int32') as tf.Tensor1D;
      expectClose(crossEntropy(tf.tensor2d(values, [n, vocabSize]), targets, 0.1), [expected], 0, 1e-5);
    });
  });

  test('the norm of a large gradient keeps its digits', () => {
    const expected = Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
    const { grads, norm } = clipByGlobalNorm(new Map([['output.weight', tf.tensor2d(values, [n, vocabSize])]]), 5);
    expectClose(norm, [expected], 0, 1e-5);
    tf.dispose([norm, ...grads.values()]);
  });
});
