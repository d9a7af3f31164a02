import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AttentionLSTMCaptioner } from '../../src/attentionLSTMCaptioner';
import { askedForCpu } from '../../src/backends/warnIfPlainCpu';
import { DataError, UsageError } from '../../src/core/errors';
import { parametersOf } from '../../src/core/parameters';
import { tfjsModelEncoder } from '../../src/encoders/tfjsModel';
import { memoryStore } from '../../src/io/stores';
import { loadEncoder } from '../../src/node/encoders';
import { gradients } from '../../src/training/gradients';
import { expectClose, expectNoLeak } from '../helpers';
import { tinyPicture, tinyTokenizer } from '../training/tiny';

await tf.setBackend('cpu');
askedForCpu();

/** A convolution, a batch norm, an average and a classifier, with random weights. */
async function layersModel(): Promise<{ artifacts: tf.io.ModelArtifacts; model: tf.LayersModel }> {
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({ inputShape: [8, 8, 3], filters: 5, kernelSize: 3, strides: 2, padding: 'same', name: 'conv' }),
      tf.layers.batchNormalization({ name: 'norm', movingVarianceInitializer: 'randomUniform' }),
      tf.layers.activation({ activation: 'relu6', name: 'act' }),
      tf.layers.globalAveragePooling2d({ name: 'mean', dataFormat: 'channelsLast' }),
      tf.layers.dense({ units: 7, name: 'classes' }),
    ],
  });
  tf.tidy(() => {
    for (const weight of model.getLayer('norm').weights)
      weight.write(tf.abs(tf.randomNormal(weight.shape as number[], 1, 0.3, 'float32', 3)));
  });
  let artifacts: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async (given) => {
      artifacts = given;
      return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
    }),
  );
  return { artifacts: artifacts!, model };
}

const number = (type: string) => ({ dtype: { type } });
const kernel = new Float32Array(3 * 3 * 3 * 4).map((_, i) => Math.sin(i));

/** A convolution with relu, reshaped to positions by an int32 constant; and a node that needs nothing of it. */
function graphModel(): tf.io.ModelArtifacts {
  const node = [
    {
      name: 'pixels',
      op: 'Placeholder',
      attr: { ...number('DT_FLOAT'), shape: { shape: { dim: [-1, 8, 8, 3].map((size) => ({ size: `${size}` })) } } },
    },
    { name: 'kernel', op: 'Const', attr: number('DT_FLOAT') },
    {
      name: 'conv',
      op: 'Conv2D',
      input: ['pixels', 'kernel'],
      attr: {
        T: { type: 'DT_FLOAT' },
        strides: { list: { i: ['1', '2', '2', '1'] } },
        dilations: { list: { i: ['1', '1', '1', '1'] } },
        padding: { s: 'U0FNRQ==' },
        data_format: { s: 'TkhXQw==' },
      },
    },
    { name: 'relu', op: 'Relu', input: ['conv'] },
    { name: 'shape', op: 'Const', attr: number('DT_INT32') },
    { name: 'positions', op: 'Reshape', input: ['relu', 'shape'] },
    { name: 'scale', op: 'Const', attr: number('DT_FLOAT') },
    { name: 'beyond', op: 'Mul', input: ['positions', 'scale'] },
  ];
  const bytes = [kernel, Int32Array.of(-1, 16, 4), Float32Array.of(2)].map((part) => new Uint8Array(part.buffer));
  const weightData = new Uint8Array(bytes.reduce((sum, { length }) => sum + length, 0));
  bytes.reduce((at, part) => {
    weightData.set(part, at);
    return at + part.length;
  }, 0);
  return {
    modelTopology: { node, versions: {} },
    weightSpecs: [
      { name: 'kernel', shape: [3, 3, 3, 4], dtype: 'float32' },
      { name: 'shape', shape: [3], dtype: 'int32' },
      { name: 'scale', shape: [], dtype: 'float32' },
    ],
    weightData: weightData.buffer,
  };
}

const pixels = () => tf.randomUniform<tf.Rank.R4>([2, 8, 8, 3], -1, 1, 'float32', 5);

describe('a layers model', () => {
  test.each([
    ['act', [4, 4], 5],
    ['mean', [1, 1], 5],
    [undefined, [1, 1], 7],
  ] as const)('at layer %s', (layer, grid, size) =>
    expectNoLeak(async () => {
      const { artifacts, model } = await layersModel();
      const encoder = await tfjsModelEncoder(artifacts, layer ? { layer } : {});
      expect([encoder.grid, encoder.featureSize]).toEqual([grid, size]);
      expect(encoder.preprocessing).toMatchObject({ size: [8, 8], resize: 'squash', mean: 127.5 });
      tf.tidy(() => {
        const cut = tf.model({ inputs: model.inputs, outputs: layer ? model.getLayer(layer).output : model.outputs });
        expectClose(encoder.encode(pixels()), cut.predict(pixels()) as tf.Tensor, 1e-6);
      });
      encoder.dispose();
      model.dispose();
    }),
  );

  test('is trained but for the statistics of its batch norms', () =>
    expectNoLeak(async () => {
      const { artifacts, model } = await layersModel();
      const encoder = await tfjsModelEncoder(artifacts, { layer: 'act' });
      const parameters = parametersOf(encoder.params);
      expect([...parameters.keys()]).toContain('norm/moving_mean');
      const { loss, grads } = gradients(() => tf.sum<tf.Scalar>(encoder.encode(pixels())), parameters);
      expect([...grads.keys()].sort()).toEqual(['conv/bias', 'conv/kernel', 'norm/beta', 'norm/gamma']);
      tf.dispose([loss, ...grads.values()]);
      encoder.dispose();
      model.dispose();
    }));
});

describe('a graph model', () => {
  test('up to a node, with numbers of its own beside its weights', () =>
    expectNoLeak(async () => {
      const encoder = await tfjsModelEncoder(graphModel(), { layer: 'positions' });
      expect([encoder.grid, encoder.featureSize, Object.keys(encoder.params)]).toEqual([[1, 16], 4, ['kernel']]);
      tf.tidy(() => {
        const expected = tf.relu(tf.conv2d(pixels(), tf.tensor4d(kernel, [3, 3, 3, 4]), 2, 'same'));
        expectClose(encoder.encode(pixels()), expected, 1e-5);
      });
      encoder.dispose();
      const map = await tfjsModelEncoder(graphModel(), { layer: 'relu' });
      expect(map.grid).toEqual([4, 4]);
      map.dispose();
      const whole = await tfjsModelEncoder(graphModel());
      expect(whole.config.topology.output).toBe('beyond');
      whole.dispose();
    }));
});

test.each([
  ['layers', 'act'],
  ['graph', 'relu'],
])('a captioner with a %s model is saved with it, and loads without it', (format, layer) =>
  expectNoLeak(async () => {
    const { artifacts, model } = await layersModel();
    const encoder = await tfjsModelEncoder(format === 'graph' ? graphModel() : artifacts, { layer });
    const sizes = { embeddingSize: 4, hiddenSize: 6, attentionSize: 5 };
    const captioner = AttentionLSTMCaptioner.create({ encoder, tokenizer: tinyTokenizer, ...sizes });
    const store = memoryStore();
    await captioner.save(store);
    const loaded = await AttentionLSTMCaptioner.load(store);
    const pictures = [tinyPicture(1), tinyPicture(2)];
    expect(await loaded.caption(pictures)).toEqual(await captioner.caption(pictures));
    for (const each of [captioner, loaded, encoder, model]) each.dispose();
  }),
);

describe('from a folder or an address', () => {
  let folder: string;
  let server: Server;
  let address: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'model-'));
    const { artifacts, model } = await layersModel();
    model.dispose();
    const { modelTopology, weightSpecs, weightData } = artifacts;
    const bytes = new Uint8Array(weightData as ArrayBuffer);
    const manifest = [{ paths: ['a.bin', 'b.bin'], weights: weightSpecs }];
    await writeFile(join(folder, 'model.json'), JSON.stringify({ modelTopology, weightsManifest: manifest }));
    await writeFile(join(folder, 'a.bin'), bytes.subarray(0, 100)); // in the middle of a weight
    await writeFile(join(folder, 'b.bin'), bytes.subarray(100));
    server = createServer(async (request, response) => {
      const bytes = await readFile(join(folder, request.url!.slice('/models/'.length))).catch(() => undefined);
      response.writeHead(bytes ? 200 : 404).end(bytes);
    });
    await new Promise<void>((resolve) => server.listen(0, resolve));
    address = `http://localhost:${(server.address() as AddressInfo).port}/models`;
  });
  afterAll(async () => {
    server.close();
    await rm(folder, { recursive: true });
  });

  test('it is the same encoder', () =>
    expectNoLeak(async () => {
      const places = [folder, join(folder, 'model.json'), address, `${address}/model.json`];
      const encoders = await Promise.all(places.map((weights) => loadEncoder('tfjs-model', { weights, layer: 'act' })));
      tf.tidy(() => {
        const [first, ...others] = encoders.map((encoder) => encoder.encode(pixels()));
        for (const other of others) expectClose(other, first!, 0);
      });
      for (const encoder of encoders) encoder.dispose();
    }));

  const cases: [string, () => Promise<unknown>, typeof DataError | typeof UsageError, RegExp][] = [
    [
      'a layer that is none',
      () => loadEncoder('tfjs-model', { weights: folder, layer: 'conv9' }),
      UsageError,
      /no layer 'conv9'. Its layers are .*conv, norm, act, mean, classes/,
    ],
    ['a node that is none', () => tfjsModelEncoder(graphModel(), { layer: 'conv9' }), UsageError, /no node 'conv9'/],
    [
      'an output that is no features',
      () => tfjsModelEncoder(graphModel(), { layer: 'shape' }),
      DataError,
      /depends on 0 inputs/,
    ],
    ['a folder without a model', () => loadEncoder('tfjs-model', { weights: tmpdir() }), DataError, /model\.json/],
    ['nothing at the address', () => loadEncoder('tfjs-model', { weights: `${address}/x.json` }), DataError, /x\.json/],
    [
      'options of other encoders',
      () => loadEncoder('tfjs-model', { weights: folder, stage: 2 }),
      UsageError,
      /takes no stage/,
    ],
    [
      'a layer for other encoders',
      () => loadEncoder('resnet50', { weights: folder, layer: 'x' }),
      UsageError,
      /takes no layer/,
    ],
  ];
  test.each(cases)('%s', (_, act, kind, message) =>
    expectNoLeak(async () => {
      const failed = act();
      await expect(failed).rejects.toThrow(kind);
      await expect(failed).rejects.toThrow(message);
    }),
  );

  test('a shard that is cut short', () =>
    expectNoLeak(async () => {
      const cut = await mkdtemp(join(tmpdir(), 'cut-'));
      await writeFile(join(cut, 'model.json'), await readFile(join(folder, 'model.json')));
      await writeFile(join(cut, 'a.bin'), await readFile(join(folder, 'a.bin')));
      await writeFile(join(cut, 'b.bin'), new Uint8Array(3));
      const failed = loadEncoder('tfjs-model', { weights: cut });
      await expect(failed).rejects.toThrow(DataError);
      await expect(failed).rejects.toThrow(/have 103 bytes but should have/);
      await rm(cut, { recursive: true });
    }));
});
