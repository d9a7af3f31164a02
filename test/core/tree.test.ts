import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { DataError } from '../../src/core/errors';
import { assignParameters, parametersOf, variables } from '../../src/core/parameters';
import { expectShape } from '../../src/core/shapes';
import { disposeTree, leaves, mapTree } from '../../src/core/tree';
import { expectClose, expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

const tree = () => ({
  lstm: [{ input: tf.ones([2, 3]) }, { input: tf.zeros([1]) }],
  gate: undefined,
  bias: tf.scalar(4),
});

test('leaves have paths, and what is absent stays absent', () =>
  expectNoLeak(() => {
    const given = tree();
    expect([...leaves(given).keys()]).toEqual(['lstm.0.input', 'lstm.1.input', 'bias']);
    expect([...leaves(given, 'decoder').keys()][0]).toBe('decoder.lstm.0.input');
    expect([...leaves(given.bias, 'decoder').keys()]).toEqual(['decoder']);
    const shapes: string[] = [];
    const doubled = mapTree(given, (tensor, path) => {
      shapes.push(`${path} [${tensor.shape}]`);
      return tf.mul(tensor, 2);
    });
    expect(shapes).toEqual(['lstm.0.input [2,3]', 'lstm.1.input [1]', 'bias []']);
    expect(Object.keys(doubled)).toEqual(['lstm', 'gate', 'bias']);
    expect(doubled.gate).toBeUndefined();
    expectClose(doubled.bias, [8], 0);
    disposeTree(given);
    disposeTree(doubled);
  }));

test('variables take the values and the place of the tensors', () =>
  expectNoLeak(() => {
    const made = variables(tree());
    const parameters = parametersOf(made, 'decoder');
    expect([...parameters.keys()]).toEqual(['decoder.lstm.0.input', 'decoder.lstm.1.input', 'decoder.bias']);
    expect(parameters.get('decoder.bias')).toBeInstanceOf(tf.Variable);
    expectClose(parameters.get('decoder.bias')!, [4], 0);
    disposeTree(made);
  }));

test('weights that do not fit are all named at once, and nothing is assigned', () =>
  expectNoLeak(() => {
    const made = variables(tree());
    const given = new Map([
      ['lstm.0.input', [3, 2]],
      ['bias', []],
      ['extra.weight', [5]],
    ]);
    let read = 0;
    const assign = () => assignParameters(parametersOf(made), given, () => tf.scalar(read++), 'model.safetensors');
    expect(assign).toThrow(DataError);
    expect(assign).toThrow(
      'The weights in model.safetensors do not fit the model that its configuration describes:\n' +
        '  lstm.0.input is [3,2] but should be [2,3]\n' +
        '  lstm.1.input [1] is missing\n' +
        '  extra.weight is not part of this model\n' +
        'Do configuration and weights come from the same training?',
    );
    expect(read).toBe(0);
    expectClose(made.bias, [4], 0);
    disposeTree(made);
  }));

test('a model of another kind is described by the first twenty differences', () => {
  const given = new Map(Array.from({ length: 25 }, (_, i) => [`layer${i}`, [1]]));
  expect(() => assignParameters(new Map(), given, () => tf.scalar(0), 'here')).toThrow(/layer19.*\n.*and 5 more/);
});

test('a shape error shows both shapes, by axis name, and the hint', () => {
  tf.tidy(() => {
    const features = tf.zeros([2, 512, 49]);
    expect(() => expectShape('features', features, { batch: -1, positions: -1, features: 49 }, '')).not.toThrow();
    expect(() =>
      expectShape('features', features, { batch: -1, positions: -1, features: 512 }, 'Did you pass channels first?'),
    ).toThrow(
      'features has shape [2,512,49] but should be [batch, positions, features=512]. Did you pass channels first?',
    );
    expect(() => expectShape('tokens', features, { batch: -1 }, '')).toThrow(/should be \[batch\]/);
  });
});
