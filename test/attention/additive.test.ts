import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { type AdditiveAttentionParams, additiveAttention, attentionMemory } from '../../src/attention/additive';
import { maskedSoftmax } from '../../src/attention/mask';
import { expectClose, expectNoLeak } from '../helpers';
import { golden, type Stored, tensorOf, treeOf } from '../training/golden';

await tf.setBackend('cpu');

const cases = golden.attention.map((stored, i) => ({ ...stored, perImage: [1, 3][i] }));

test.each(cases)('values and gradients agree with PyTorch, padding included, $perImage rows per image', (stored) =>
  expectNoLeak(() => {
    tf.tidy(() => {
      const { parameters, inputs, outputs, outputWeights, gradients } = stored;
      const names = Object.keys(parameters);
      const mask = tensorOf<tf.Rank.R2>(inputs.keyPaddingMask!);
      const attend = (...tensors: tf.Tensor[]) => {
        const params = treeOf<AdditiveAttentionParams>(parameters);
        for (const [i, name] of names.entries()) {
          const [part, leaf] = name.split('.') as ['features' | 'query' | 'score', 'weight' | 'bias'];
          (params[part] as Record<string, tf.Tensor>)[leaf] = tensors[i]!;
        }
        const [features, query] = tensors.slice(names.length) as [tf.Tensor3D, tf.Tensor2D];
        return additiveAttention(params, query, attentionMemory(params, features, mask));
      };
      const given = [...Object.values(parameters), inputs.features!, inputs.query!].map((each) => tensorOf(each));
      const { context, weights } = attend(...given);
      expect(context.shape).toEqual(outputs.context!.shape);
      expect(weights.shape).toEqual(outputs.weights!.shape);
      // float32 sums of at most 6 products of order 1
      expectClose(context, outputs.context!.values, 1e-6);
      expectClose(weights, outputs.weights!.values, 1e-6);

      const weigh = (tensor: tf.Tensor, by: Stored) => tf.sum(tf.mul(tensor, tensorOf(by)));
      const found = tf.grads((...tensors) => {
        const seen = attend(...tensors);
        return tf.add(weigh(seen.context, outputWeights.context!), weigh(seen.weights, outputWeights.weights!));
      })(given);
      const expected = [...names, 'x', 'q'];
      expect(Object.keys(gradients)).toEqual(expected);
      for (const [i, name] of expected.entries()) {
        expect(found[i]!.shape, name).toEqual(gradients[name]!.shape);
        expectClose(found[i]!, gradients[name]!.values, 3e-6);
      }
    });
  }),
);

test('padding gets no weight at all; a row of nothing but padding gives numbers, and gradients that are', () => {
  tf.tidy(() => {
    const scores = tf.tensor3d([[[1, 2, 3]], [[4, 5, 6]]]);
    const mask = tf.tensor2d([
      [0, 1, 0],
      [1, 1, 1],
    ]);
    const weights = maskedSoftmax(scores, mask);
    const [a, b] = [Math.exp(-2) / (1 + Math.exp(-2)), 1 / (1 + Math.exp(-2))];
    expectClose(tf.slice(weights, [0, 0, 0], [1, 1, 3]), [a, 0, b], 1e-6);
    expect(weights.dataSync()[1]).toBe(0);
    expect(weights.dataSync().every(Number.isFinite)).toBe(true);
    const gradient = tf.grad((x) => tf.square(maskedSoftmax(x as tf.Tensor3D, mask)))(scores);
    expect(gradient.dataSync().every(Number.isFinite)).toBe(true);
  });
});

test('relu is another function than tanh, and both are plain to compute by hand', () => {
  tf.tidy(() => {
    const linear = (weight: number[][], bias: number[]) => ({ weight: tf.tensor2d(weight), bias: tf.tensor1d(bias) });
    const params = { features: linear([[1]], [0]), query: linear([[1]], [0]), score: linear([[2]], [7]) };
    const features = tf.tensor3d([[[-1], [2]]]);
    const look = (activation: 'tanh' | 'relu') =>
      additiveAttention(params, tf.tensor2d([[0.5]]), attentionMemory(params, features), activation).weights;
    const share = (a: number, b: number) => [1 / (1 + Math.exp(b - a)), 1 / (1 + Math.exp(a - b))];
    expectClose(look('relu'), share(0, 5), 1e-6);
    expectClose(look('tanh'), share(2 * Math.tanh(-0.5), 2 * Math.tanh(2.5)), 1e-6);
  });
});
