import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { activation } from '../../src/core/activations';
import { DataError } from '../../src/core/errors';
import { expectNoLeak } from '../helpers';
import { expectGradients, transformerGolden } from '../transformerGolden';

await tf.setBackend('cpu');

const { x, functions } = transformerGolden('layers.json').activations;

test.each(Object.keys(functions))('%s agrees with PyTorch, values and slopes', (name) =>
  expectNoLeak(() => expectGradients(({ x }) => activation(name)(x!), { x }, functions[name], 2e-6)),
);

test('other names of the same functions', () =>
  tf.tidy(() => {
    const given = tf.linspace(-3, 3, 7);
    const values = (name: string) => [...activation(name)(given).dataSync()];
    for (const name of ['gelu_pytorch_tanh', 'gelu_fast', 'gelu_accurate', 'gelu_python_tanh'])
      expect(values(name)).toEqual(values('gelu_new'));
    expect(values('gelu_python')).toEqual(values('gelu'));
    expect(values('swish')).toEqual(values('silu'));
    expect(activation('linear')(given)).toBe(given);
  }));

test('an unknown one is an error that names the setting', () => {
  expect(() => activation('gelu_9', 'activation_function')).toThrow(DataError);
  expect(() => activation('toString')).toThrow('hidden_act is "toString", which is not supported');
});
