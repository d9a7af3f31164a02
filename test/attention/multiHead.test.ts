import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { attentionBias } from '../../src/attention/attentionBias';
import { crossAttention, type MultiHeadParams, projectKeys, selfAttention } from '../../src/attention/multiHead';
import { expectClose, expectNoLeak } from '../helpers';
import { expectGradients, type Stored, tensorOf, transformerGolden } from '../transformerGolden';

await tf.setBackend('cpu');

const golden = transformerGolden('layers.json').multiHead;

/** PyTorch's names and layouts to ours. */
function paramsOf(given: Record<string, tf.Tensor>): MultiHeadParams {
  const kernel = (weight: tf.Tensor) => tf.transpose(weight) as tf.Tensor2D;
  const projections = given.in_proj_weight
    ? (tf.split(given.in_proj_weight, 3, 0) as tf.Tensor[])
    : [given.q_proj_weight!, given.k_proj_weight!, given.v_proj_weight!];
  const biases = tf.split(given.in_proj_bias!, 3, 0) as tf.Tensor1D[];
  const [query, key, value] = projections.map((weight, i) => ({ weight: kernel(weight), bias: biases[i]! }));
  const output = { weight: kernel(given['out_proj.weight']!), bias: given['out_proj.bias'] as tf.Tensor1D };
  return { query: query!, key: key!, value: value!, output };
}

const parametersOf = (stored: Record<string, Stored>) =>
  paramsOf(Object.fromEntries(Object.entries(stored).map(([name, value]) => [name, tensorOf(value)])));

describe('self-attention agrees with PyTorch', () => {
  const { numHeads, x, parameters, cases } = golden.self;
  test.each(Object.keys(cases))('%s: output, weights and gradients', (name) =>
    expectNoLeak(() => {
      const { causal, keyPaddingMask, weights, ...expected } = cases[name];
      tf.tidy(() => {
        const padding = keyPaddingMask && tensorOf<tf.Rank.R2>(keyPaddingMask);
        const bias = attentionBias({ queries: 4, causal, keyPaddingMask: padding });
        const attend = (rows: tf.Tensor, params: MultiHeadParams) =>
          selfAttention(params, rows as tf.Tensor3D, { numHeads, bias });
        expectClose(attend(tensorOf(x), parametersOf(parameters)).weights, weights.values, 1e-6);
        expectGradients(
          ({ x, ...given }) => attend(x!, paramsOf(given)).output,
          { x, ...parameters },
          expected,
          1e-5, // float32
        );
      });
    }),
  );

  test('word by word with kept keys gives what all at once does', () =>
    tf.tidy(() => {
      const params = parametersOf(parameters);
      const rows = tensorOf<tf.Rank.R3>(x);
      let past: ReturnType<typeof selfAttention>['present'] | undefined;
      const outputs = (tf.split(rows, 4, 1) as tf.Tensor3D[]).map((word) => {
        const { output, present } = selfAttention(params, word, { numHeads, past });
        past = present;
        return output;
      });
      expect(past!.keys.shape).toEqual([3, numHeads, 4, 3]);
      expectClose(tf.concat(outputs, 1), cases.causal.output.values, 1e-5);
    }));

  test('a block of words after kept ones sees them, and its own up to itself', () =>
    tf.tidy(() => {
      const params = parametersOf(parameters);
      const [first, rest] = tf.split(tensorOf<tf.Rank.R3>(x), [1, 3], 1) as [tf.Tensor3D, tf.Tensor3D];
      const { present: past } = selfAttention(params, first, { numHeads });
      const bias = attentionBias({ queries: 3, keys: 4, causal: true });
      const { output } = selfAttention(params, rest, { numHeads, past, bias });
      expectClose(output, tf.slice(tensorOf(cases.causal.output), [0, 1, 0], [3, 3, 6]), 1e-5);
    }));
});

test('cross-attention of several rows per picture agrees with PyTorch on repeated features', () => {
  const { numHeads, x, features, parameters, weights, ...expected } = golden.cross;
  const attend = (rows: tf.Tensor, seen: tf.Tensor, params: MultiHeadParams) =>
    crossAttention(params, rows as tf.Tensor3D, projectKeys(params, seen as tf.Tensor3D, numHeads));
  return expectNoLeak(() =>
    tf.tidy(() => {
      const found = attend(tensorOf(x), tensorOf(features), parametersOf(parameters));
      expect(found.weights.shape).toEqual(weights.shape);
      expectClose(found.weights, weights.values, 1e-6);
      expectGradients(
        ({ x, features, ...given }) => attend(x!, features!, paramsOf(given)).output,
        { x, features, ...parameters },
        expected,
        1e-5,
      );
    }),
  );
});

test('a row that may see nothing spreads its weight, as in transformers', () =>
  tf.tidy(() => {
    const bias = attentionBias({ queries: 3, causal: true, keyPaddingMask: tf.tensor2d([[1, 0, 0]]) })!;
    const weights = tf.softmax(tf.add(tf.tensor4d([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 3, 3]), bias));
    expectClose(tf.slice(weights, [0, 0, 0, 0], [1, 1, 1, 3]), [1 / 3, 1 / 3, 1 / 3], 1e-6);
  }));
