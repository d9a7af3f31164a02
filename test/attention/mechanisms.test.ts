import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { additive } from '../../src/attention/additive';
import { ATTENTION_NAMES, attentionOf, storedMechanism } from '../../src/attention/create';
import { multiHead } from '../../src/attention/dotProduct';
import { local, locationAware } from '../../src/attention/location';
import type { AnyAttention, AttentionMemory, AttentionStep } from '../../src/attention/mechanism';
import { UsageError } from '../../src/core/errors';
import { Random } from '../../src/core/random';
import { leaves, mapTree, type Tree } from '../../src/core/tree';
import { expectClose, expectNoLeak } from '../helpers';
import { type StoredTree, tensorOf, treeOf } from '../training/golden';
import { type MechanismCase, mechanismGolden } from './golden';

await tf.setBackend('cpu');

const mechanismOf = ({ config }: MechanismCase) => (config.type === 'additive' ? additive() : storedMechanism(config)!);

/** Attends with these parameters and inputs. */
function attend(stored: MechanismCase, params: Tree, inputs: Record<string, tf.Tensor>) {
  const mechanism = mechanismOf(stored);
  const { features, query, before, input, hidden, cell } = inputs as Record<string, tf.Tensor2D>;
  const seen = features as tf.Tensor as tf.Tensor3D;
  const memory: AttentionMemory = {
    features: seen,
    keys: mechanism.keys(params, seen),
    ...(mechanism.values && { values: mechanism.values(params, seen) }),
    keyPaddingMask: tensorOf<tf.Rank.R2>(stored.mask),
  };
  const step: AttentionStep = {
    grid: stored.grid,
    ...(before && { state: { weights: before } }),
    ...(input && { recurrent: { input, before: hidden!, cell: cell! } }),
  };
  return mechanism.attend(params, query!, memory, step);
}

const tensorsOf = (stored: StoredTree) =>
  Object.fromEntries(Object.entries(stored).map(([name, value]) => [name, tensorOf(value)]));

describe.each(
  mechanismGolden.mechanisms.map((stored) => [JSON.stringify([stored.config, stored.grid]), stored] as const),
)('%s', (_, stored) => {
  test('values and gradients agree with PyTorch, padding included, three rows per image', () =>
    expectNoLeak(() => {
      tf.tidy(() => {
        const params = Object.keys(stored.parameters).length === 0 ? {} : treeOf<Tree>(stored.parameters);
        const inputs = tensorsOf(stored.inputs);
        const given = new Map([...leaves(params), ...leaves(inputs, 'inputs')]);
        const { context, weights } = attend(stored, params, inputs);
        expect(context.shape).toEqual(stored.outputs.context.shape);
        // float32 sums of at most eight products of order 1, through a softmax or two
        expectClose(context, stored.outputs.context.values, 2e-6);
        expectClose(weights, stored.outputs.weights.values, 1e-6);
        const found = tf.grads((...tensors) => {
          const at = new Map([...given.keys()].map((path, i) => [path, tensors[i]!]));
          const seen = attend(
            stored,
            mapTree(params, (_, path) => at.get(path)!),
            mapTree(inputs, (_, path) => at.get(`inputs.${path}`)!) as Record<string, tf.Tensor>,
          );
          const weigh = (x: tf.Tensor, by: keyof typeof stored.above) => tf.sum(tf.mul(x, tensorOf(stored.above[by])));
          return tf.add(weigh(seen.context, 'context'), weigh(seen.weights, 'weights'));
        })([...given.values()]);
        expect([...given.keys()].sort()).toEqual(Object.keys(stored.gradients).sort());
        for (const [i, path] of [...given.keys()].entries()) {
          expect(found[i]!.shape, path).toEqual(stored.gradients[path]!.shape);
          expectClose(found[i]!, stored.gradients[path]!.values, 1e-5, 1e-5);
        }
      });
    }));

  test('makes parameters of these names and shapes', () =>
    expectNoLeak(() => {
      const { query, features, input } = stored.inputs;
      const score = stored.parameters['key.weight'] ?? stored.parameters['features.weight'];
      const attentionSize =
        stored.kind === 'local' || stored.kind === 'concat'
          ? stored.parameters.query!.shape[1]!
          : (score?.shape[1] ?? 7);
      const sizes = {
        querySize: query!.shape[1]!,
        featureSize: features!.shape[2]!,
        attentionSize,
        inputSize: input?.shape[1] ?? 0,
        grid: stored.grid,
      };
      const params = mechanismOf(stored).params(sizes, new Random(1)) as Tree;
      const shapes = new Map([...leaves(params)].map(([path, { shape }]) => [path, shape]));
      expect(Object.fromEntries(shapes)).toEqual(
        Object.fromEntries(Object.entries(stored.parameters).map(([path, { shape }]) => [path, shape])),
      );
      tf.dispose(params as tf.TensorContainer);
    }));

  test('padding is not looked at, whatever stands there', () => {
    tf.tidy(() => {
      const params = Object.keys(stored.parameters).length === 0 ? {} : treeOf<Tree>(stored.parameters);
      const inputs = tensorsOf(stored.inputs);
      const mask = tensorOf<tf.Rank.R2>(stored.mask);
      const others = { ...inputs, features: tf.add(inputs.features!, tf.mul(tf.expandDims(mask, 2), 7)) };
      const [one, other] = [inputs, others].map((each) => attend(stored, params, each));
      expectClose(other!.context, one!.context, 1e-6);
      expectClose(other!.weights, one!.weights, 1e-6);
      const perImage = one!.weights.shape[0] / mask.shape[0];
      const rows = tf.reshape(tf.tile(tf.expandDims(mask, 1), [1, perImage, 1]), one!.weights.shape);
      expect(tf.max(tf.mul(one!.weights, rows)).dataSync()[0]).toBe(0);
    });
  });
});

test('every mechanism is compared with PyTorch; hard attention scores as additive attention does', () => {
  const compared = new Set(mechanismGolden.mechanisms.map(({ kind }) => kind));
  expect(ATTENTION_NAMES.filter((name) => !compared.has(name))).toEqual(['hard']);
});

describe('hard attention', () => {
  const stored = mechanismGolden.mechanisms[0]!;
  const hard = attentionOf('hard');
  const look = (choice?: AttentionStep['choice']) => {
    const params = treeOf<Tree>(stored.parameters);
    const features = tensorOf<tf.Rank.R3>(stored.inputs.features!);
    const memory = { features, keys: hard.keys(params, features), keyPaddingMask: tensorOf<tf.Rank.R2>(stored.mask) };
    const step = { grid: stored.grid, ...(choice && { choice }) };
    return { ...hard.attend(params, tensorOf<tf.Rank.R2>(stored.inputs.query!), memory, step), features };
  };

  test('sees the likeliest position when captions are said, and tells the weights', () => {
    tf.tidy(() => {
      const { context, weights, features } = look();
      expectClose(weights, stored.outputs.weights.values, 1e-6);
      const best = tf.argMax(weights, 1).dataSync();
      const rows = tf.concat(
        [...best].map((position, row) => tf.slice(features, [Math.floor(row / 3), position, 0], [1, 1, -1])),
      );
      expectClose(context, tf.squeeze(rows, [1]), 1e-6);
    });
  });

  test('draws positions as often as their weights say, and the mean for about half of the rows', () => {
    const counts = new Float32Array(stored.outputs.weights.values.length);
    let [drawn, whole] = [0, 0];
    for (let seed = 0; seed < 600; seed++)
      tf.tidy(() => {
        const { chosen, context } = look({ random: new Random(seed), step: 3 });
        const taken = chosen!.dataSync<'float32'>();
        const [rows, positions] = chosen!.shape;
        for (let row = 0; row < rows; row++) {
          const own = taken.subarray(row * positions, (row + 1) * positions);
          const sum = own.reduce((a, b) => a + b, 0);
          drawn += sum;
          whole += 1 - sum;
          own.forEach((value, i) => {
            counts[row * positions + i]! += value;
          });
          if (sum === 0) {
            const [size] = stored.outputs.context.shape.slice(1);
            const expected = stored.outputs.context.values.slice(row * size!, (row + 1) * size!);
            expectClose(context.dataSync().subarray(row * size!, (row + 1) * size!), expected, 2e-6);
          }
        }
      });
    expect(drawn / (drawn + whole)).toBeGreaterThan(0.45);
    expect(drawn / (drawn + whole)).toBeLessThan(0.55);
    const perRow = drawn / 6;
    // About 300 draws of a row: a share is off by 0.03 as a rule, and 0.12 is four times that.
    expectClose(
      counts.map((count) => count / perRow),
      stored.outputs.weights.values,
      0.12,
    );
  });

  test('what is drawn follows from the source and the step alone', () => {
    tf.tidy(() => {
      const at = (seed: number, step: number) => [...look({ random: new Random(seed), step }).chosen!.dataSync()];
      expect(at(1, 2)).toEqual(at(1, 2));
      expect([at(1, 3), at(1, 4), at(1, 5)]).not.toEqual([at(1, 2), at(1, 2), at(1, 2)]);
    });
  });
});

test('a window that is all padding sees nothing, with gradients that are numbers', () => {
  tf.tidy(() => {
    const stored = mechanismGolden.mechanisms.find(({ kind, grid }) => kind === 'local' && grid[0] === 3)!;
    const all = { ...stored, mask: { ...stored.mask, values: stored.mask.values.map(() => 1) } };
    const params = treeOf<Tree>(stored.parameters);
    const inputs = tensorsOf(stored.inputs);
    const { context } = attend(all, params, inputs);
    expect([...context.dataSync()].every((value) => value === 0)).toBe(true);
    const gradient = tf.grad((query) => attend(all, params, { ...inputs, query }).context)(inputs.query!);
    expect([...gradient.dataSync()].every(Number.isFinite)).toBe(true);
  });
});

describe('wrong use', () => {
  const sizes = { querySize: 4, featureSize: 5, attentionSize: 6, inputSize: 3, grid: [2, 2] as const };
  const cases: [string, () => unknown, RegExp][] = [
    ['sizes that dot cannot compare', () => attentionOf('dot').params(sizes, new Random(1)), /Set hiddenSize to 5/],
    ['heads that do not divide', () => multiHead({ numHeads: 4 }).params(sizes, new Random(1)), /multiple of numHeads/],
    ['half a head', () => multiHead({ numHeads: 0.5 }), /numHeads is 0.5/],
    ['a window of none', () => local({ window: 0 }), /window is 0/],
    ['a filter without a middle', () => locationAware({ size: 4 }), /should be odd/],
    ['a name that is none', () => attentionOf('soft' as 'dot'), /There is no attention 'soft'/],
  ];
  test.each(cases)('%s', (_, act, message) => {
    expect(act).toThrow(UsageError);
    expect(act).toThrow(message);
  });

  test('a grid that the features do not have', () => {
    tf.tidy(() => {
      const location = attentionOf('location') as AnyAttention;
      const params = location.params(sizes, new Random(1)) as Tree;
      const features = tf.ones<tf.Rank.R3>([1, 5, 5]);
      const memory = { features, keys: location.keys(params, features) };
      expect(() => location.attend(params, tf.ones([1, 4]), memory, { grid: [2, 2] })).toThrow(/have 5 positions/);
    });
  });
});
