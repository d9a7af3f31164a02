import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { activation } from '../../src/core/activations';
import type { WeightSource } from '../../src/core/spec';
import { saveStateDict } from '../../src/io/saveStateDict';
import { memoryStore } from '../../src/io/stores';
import { openWeights } from '../../src/io/weights';
import { directory } from '../../src/node/directory';
import { GoldenCase, goldenFolders } from '../goldenCase';
import { expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

type Config = {
  hidden_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  hidden_act: string;
  layer_norm_eps: number;
};

describe.each(goldenFolders('checkpoint_formats').map((folder) => new GoldenCase(folder)))('$folder', (golden) => {
  const open = (folder: string) => openWeights(directory(join(golden.folder, folder)));

  test('the file of every type holds these numbers', async () => {
    const source = await openWeights(directory(golden.folder), { file: 'dtypes.safetensors' });
    const dtypes: Record<string, { dtype: string; shape: number[]; values: (number | boolean | string)[] }> =
      golden.result('dtypes');
    expect([...source.tensors.keys()].sort()).toEqual(Object.keys(dtypes).sort());
    const special: Record<string, number> = { inf: Infinity, '-inf': -Infinity, nan: NaN };
    for (const [name, { shape, values }] of Object.entries(dtypes)) {
      expect(source.tensors.get(name)!.shape, name).toEqual(shape);
      const numbers = values.map((value) => Math.fround(typeof value === 'string' ? special[value]! : Number(value)));
      expect([...(await source.read(name))], name).toEqual(numbers);
    }
  });

  test.each([
    ['sharded', 'out.logits_f32'],
    ['f16', 'out.logits_from_f16'],
    ['bf16', 'out.logits_from_bf16'],
  ])('a model with the weights in %s', async (folder, output) => {
    const weights = await readAll(await open(folder));
    await expectNoLeak(() =>
      tf.tidy(() =>
        golden.compare(output, logits(weights, golden.json(`${folder}/config.json`), golden.tensor('in.input_ids'))),
      ),
    );
  });

  test.runIf(golden.has('pytorch_model.bin'))(
    "PyTorch's own file holds the same weights, and those that are tied too",
    async () => {
      const [torch, safetensors] = await Promise.all([open('.'), open('sharded')]);
      for (const [name, { shape }] of safetensors.tensors) {
        expect(torch.tensors.get(name)?.shape, name).toEqual(shape);
        expect(await torch.read(name), name).toEqual(await safetensors.read(name));
      }
      const tied: Record<string, string> = {
        'cls.predictions.decoder.weight': 'bert.embeddings.word_embeddings.weight',
        'cls.predictions.decoder.bias': 'cls.predictions.bias',
      };
      for (const name of torch.tensors.keys())
        if (!safetensors.tensors.has(name)) expect(await torch.read(name)).toEqual(await torch.read(tied[name]!));
    },
  );

  test('what is saved in half precision is what PyTorch saved', async () => {
    const source = await open('sharded');
    for (const [folder, dtype] of [
      ['f16', 'float16'],
      ['bf16', 'bfloat16'],
    ] as const) {
      const store = memoryStore();
      await saveStateDict(store, await tensorsOf(source), { dtype, dispose: true });
      const [saved, expected] = [await openWeights(store), await open(folder)];
      expect([...saved.tensors.keys()].sort()).toEqual([...expected.tensors.keys()].sort());
      for (const name of expected.tensors.keys()) {
        expect(saved.tensors.get(name)).toMatchObject({
          dtype: expected.tensors.get(name)!.dtype,
          shape: expected.tensors.get(name)!.shape,
        });
        expect(await saved.read(name), name).toEqual(await expected.read(name));
      }
    }
    expect(tf.memory().numTensors).toBe(0);
  });

  test('every output was compared', () => golden.expectAllCompared());
});

type Weights = ReadonlyMap<string, { shape: readonly number[]; values: Float32Array }>;

async function readAll({ tensors, read }: WeightSource): Promise<Weights> {
  const all = new Map<string, { shape: readonly number[]; values: Float32Array }>();
  for (const [name, { shape }] of tensors) all.set(name, { shape, values: await read(name) });
  return all;
}

async function tensorsOf(source: WeightSource): Promise<[string, tf.Tensor][]> {
  return [...(await readAll(source))].map(([name, { shape, values }]) => [name, tf.tensor(values, [...shape])]);
}

/** BERT's logits of masked words for tokens [batch, time], without padding; such a model is what the case was made with. */
function logits(weights: Weights, config: Config, tokens: tf.Tensor): tf.Tensor {
  const { hidden_size: size, num_attention_heads: heads, layer_norm_eps: eps } = config;
  const [batch, time] = tokens.shape as [number, number];
  const act = activation(config.hidden_act);
  const weight = (name: string) => tf.tensor(weights.get(name)!.values, [...weights.get(name)!.shape]);
  const linear = (x: tf.Tensor, name: string) =>
    tf.add<tf.Tensor2D>(
      tf.matMul(x as tf.Tensor2D, weight(`${name}.weight`) as tf.Tensor2D, false, true),
      weight(`${name}.bias`),
    );
  const norm = (x: tf.Tensor, name: string) => {
    const { mean, variance } = tf.moments(x, -1, true);
    const scaled = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, eps)));
    return tf.add(tf.mul(scaled, weight(`${name}.weight`)), weight(`${name}.bias`));
  };
  const perHead = (x: tf.Tensor) => tf.transpose(tf.reshape(x, [batch, time, heads, size / heads]), [0, 2, 1, 3]);
  const embedded = tf.add(
    tf.add(
      tf.gather(weight('bert.embeddings.word_embeddings.weight'), tf.reshape(tokens, [-1])),
      tf.slice(weight('bert.embeddings.token_type_embeddings.weight'), [0, 0], [1, -1]),
    ),
    tf.tile(tf.slice(weight('bert.embeddings.position_embeddings.weight') as tf.Tensor2D, [0, 0], [time, -1]), [
      batch,
      1,
    ]),
  );
  let x = norm(embedded, 'bert.embeddings.LayerNorm'); // [batch * time, size]
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const at = (name: string) => `bert.encoder.layer.${layer}.${name}`;
    const [query, key, value] = ['query', 'key', 'value'].map((name) =>
      perHead(linear(x, at(`attention.self.${name}`))),
    );
    const scores = tf.div(tf.matMul(query!, key!, false, true), Math.sqrt(size / heads));
    const context = tf.transpose(tf.matMul(tf.softmax(scores), value!), [0, 2, 1, 3]);
    const attended = linear(tf.reshape(context, [batch * time, size]), at('attention.output.dense'));
    x = norm(tf.add(attended, x), at('attention.output.LayerNorm'));
    const wide = act(linear(x, at('intermediate.dense')));
    x = norm(tf.add(linear(wide, at('output.dense')), x), at('output.LayerNorm'));
  }
  const transformed = norm(act(linear(x, 'cls.predictions.transform.dense')), 'cls.predictions.transform.LayerNorm');
  const untied = 'cls.predictions.decoder.weight';
  const output = weight(weights.has(untied) ? untied : 'bert.embeddings.word_embeddings.weight');
  const words = tf.matMul(transformed as tf.Tensor2D, output as tf.Tensor2D, false, true);
  return tf.reshape(tf.add(words, weight('cls.predictions.bias')), [batch, time, -1]);
}
