import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { type Activation, activation } from '../../src/core/activations';
import { readGloVe } from '../../src/data/glove';
import { type Bytes, withHDF5 } from '../../src/io/hdf5';
import { openWeights } from '../../src/io/weights';
import { directory } from '../../src/node/directory';
import { GoldenCase, goldenFolders } from '../goldenCase';
import { expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

/** Those that transformers does not have, or has otherwise. */
const kerasActivations: Record<string, Activation> = {
  elu: (x) => tf.elu(x),
  selu: (x) => tf.selu(x),
  softplus: (x) => tf.softplus(x),
  softsign: (x) => tf.div(x, tf.add(tf.abs(x), 1)),
  leaky_relu: (x) => tf.leakyRelu(x, 0.2),
  hard_sigmoid: (x) => tf.div(tf.relu6(tf.add(x, 3)), 6),
};
const activationOf = (name: string) => kerasActivations[name] ?? activation(name, 'activation');

type Layer = { config: { name: string; activation?: string; recurrent_activation?: string; epsilon?: number } };

describe.each(goldenFolders('keras_h5').map((folder) => new GoldenCase(folder)))('$folder', (golden) => {
  const store = directory(golden.folder);
  const files = ['legacy_model.h5', 'keras3.weights.h5'];

  test('the files hold these arrays', async () => {
    const held: Record<string, [string, number[], string][]> = golden.result('h5_datasets');
    for (const [file, key] of [
      ['legacy_model.h5', 'legacy'],
      ['keras3.weights.h5', 'keras3'],
    ] as const) {
      const { tensors } = await openWeights(store, { file });
      expect([...tensors.values()].map(({ shape }) => `${shape}`).sort()).toEqual(
        held[key]!.map(([, shape]) => `${shape}`).sort(),
      );
      expect(new Set([...tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['F32']));
    }
  });

  test('each weight has the name that Keras has for it, in both', async () => {
    const weights: { path: string; shape: number[] }[] = golden.result('weights');
    const byName = (entries: [string, readonly number[]][]) => Object.fromEntries(entries.sort());
    const sources = await Promise.all(files.map((file) => openWeights(store, { file })));
    for (const { tensors } of sources)
      expect(byName([...tensors].map(([name, { shape }]) => [name, shape]))).toEqual(
        byName(weights.map(({ path, shape }) => [path, shape])),
      );
    for (const { path } of weights) {
      const [first, second] = await Promise.all(sources.map((source) => source.read(path)));
      expect(first).toEqual(second);
    }
  });

  test.each(files)('the model with the weights of %s gives the outputs of Keras', async (file) => {
    const layers = await layersOf({
      size: (await store.size('legacy_model.h5'))!,
      read: (start, end) => store.read('legacy_model.h5', { start, end }),
    });
    const source = await openWeights(store, { file });
    const values = new Map<string, Float32Array>();
    for (const name of source.tensors.keys()) values.set(name, await source.read(name));
    const weight = (name: string) => tf.tensor(values.get(name)!, [...source.tensors.get(name)!.shape]);
    const settings = (name: string) => layers.find(({ config }) => config.name === name)!.config;
    const dense = (x: tf.Tensor2D, name: string) => {
      const sums = tf.add(tf.matMul(x, weight(`${name}/kernel`) as tf.Tensor2D), weight(`${name}/bias`));
      const { activation = 'linear' } = settings(name);
      return (activation === 'softmax' ? tf.softmax(sums) : activationOf(activation)(sums)) as tf.Tensor2D;
    };
    await expectNoLeak(() =>
      tf.tidy(() => {
        const tokens = golden.tensor('in.tokens') as tf.Tensor2D;
        const rnn = lstm(tokens, weight, settings('lstm'));
        golden.compare('out.rnn', rnn);
        const image = dense(golden.tensor('in.image_features') as tf.Tensor2D, 'dense_img');
        const [mean, variance, beta, gamma] = ['moving_mean', 'moving_variance', 'beta', 'gamma'].map(
          (name) => weight(`bn/${name}`) as tf.Tensor1D,
        );
        const sum = tf.add<tf.Tensor2D>(image, rnn);
        const normalised = tf.batchNorm(sum, mean!, variance!, beta!, gamma!, settings('bn').epsilon);
        golden.compare('out.probs', dense(dense(normalised as tf.Tensor2D, 'dense2'), 'out'));
      }),
    );
  });

  test('the word vectors of a GloVe file', async () => {
    const { dim, rows, note }: { dim: number; rows: [string, number[]][]; note: string } = golden.result('glove');
    expect(note).toMatch(/from the right/);
    const bytes = await store.read('glove.txt');
    const read: [string, number[]][] = [];
    for await (const { word, vector } of readGloVe([bytes.subarray(0, 70), bytes.subarray(70)], dim))
      read.push([word, [...vector]]);
    expect(read).toEqual(rows.map(([word, vector]) => [word, vector.map(Math.fround)]));
  });

  test('every output was compared', () => golden.expectAllCompared());
});

/** The layers as the whole model's file describes them. */
async function layersOf(bytes: Bytes): Promise<Layer[]> {
  const config = await withHDF5(bytes, (file, step) => step(() => file.attrs.model_config!.value));
  return JSON.parse(config as string).config.layers;
}

/** Keras's LSTM, its gates in the order input, forget, cell, output; a token 0 leaves the state as it was. */
function lstm(tokens: tf.Tensor2D, weight: (name: string) => tf.Tensor, settings: Layer['config']): tf.Tensor2D {
  const squash = activationOf(settings.activation!);
  const gate = activationOf(settings.recurrent_activation!);
  const words = tf.gather(weight('emb/embeddings'), tokens); // [batch, time, embeddingSize]
  const [kernel, recurrent, bias] = ['kernel', 'recurrent_kernel', 'bias'].map((name) =>
    weight(`lstm/lstm_cell/${name}`),
  ) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor1D];
  const [batch, time] = tokens.shape;
  let hidden = tf.zeros<tf.Rank.R2>([batch, recurrent.shape[0]]);
  let cell = hidden;
  for (let t = 0; t < time; t++) {
    const word = tf.squeeze<tf.Tensor2D>(tf.slice(words, [0, t, 0], [batch, 1, -1]), [1]);
    const sums = tf.add<tf.Tensor2D>(tf.add(tf.matMul(word, kernel), tf.matMul(hidden, recurrent)), bias);
    const [input, forget, candidate, output] = tf.split(sums, 4, 1) as [
      tf.Tensor2D,
      tf.Tensor2D,
      tf.Tensor2D,
      tf.Tensor2D,
    ];
    const next = tf.add<tf.Tensor2D>(tf.mul(gate(forget), cell), tf.mul(gate(input), squash(candidate)));
    const read = tf.cast(tf.notEqual(tf.slice(tokens, [0, t], [batch, 1]), 0), 'float32');
    const keep = tf.sub(1, read);
    hidden = tf.add(tf.mul(read, tf.mul(gate(output), squash(next))), tf.mul(keep, hidden));
    cell = tf.add(tf.mul(read, next), tf.mul(keep, cell));
  }
  return hidden;
}
