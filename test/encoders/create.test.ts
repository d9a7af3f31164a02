import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { parametersOf } from '../../src/core/parameters';
import { Random } from '../../src/core/random';
import { ConvNetwork } from '../../src/encoders/convNetwork';
import { createEncoder } from '../../src/encoders/create';
import { resNet } from '../../src/encoders/resnet';
import type { Encoder } from '../../src/encoders/types';
import { VisionEncoder } from '../../src/encoders/visionEncoder';
import { gradients } from '../../src/training/gradients';
import { expectClose, expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

const tiny = {
  type: 'resnet',
  imageSize: [32, 48],
  block: 'basic',
  depths: [1, 1],
  channels: [4, 6],
  innerChannels: [4, 6],
  stem: [3],
  strides: [1, 2],
} as const;
const tower = {
  type: 'vision-tower',
  kind: 'clip',
  size: 12,
  innerSize: 20,
  numLayers: 2,
  numHeads: 3,
  imageSize: [16, 16],
  patchSize: [8, 8],
  activation: 'quick_gelu',
  epsilon: 1e-5,
} as const;

const configs: Record<string, [config: Encoder['config'], grid: [number, number], leading: number, size: number]> = {
  resnet: [tiny, [4, 6], 0, 6],
  'the stem of a resnet': [{ ...tiny, stage: 0 }, [8, 12], 0, 3],
  'a resnet on a given grid': [{ ...tiny, pooledGrid: [3, 5] }, [3, 5], 0, 6],
  'the third stage of vgg11': [{ type: 'vgg11', imageSize: [16, 24], stage: 2 }, [4, 6], 0, 256],
  'the first blocks of inception': [{ type: 'inception-v3', imageSize: [75, 91], stage: 0 }, [7, 9], 0, 192],
  'mobilenet v3': [{ type: 'mobilenet-v3-small', imageSize: [32, 64], stage: 3 }, [2, 4], 0, 40],
  'efficientnet, as TensorFlow trained it': [
    { type: 'efficientnet-lite0', imageSize: [32, 32], names: 'timm', tensorflow: true, stage: 2 },
    [8, 8],
    0,
    24,
  ],
  'the tower of clip': [tower, [2, 2], 1, 12],
  'the tower of siglip, on larger pictures': [{ ...tower, kind: 'siglip', inputSize: [24, 32] }, [3, 4], 0, 12],
};

test.each(Object.entries(configs))('%s: built from what a checkpoint holds', (_, [config, grid, leading, size]) =>
  expectNoLeak(() => {
    const encoder = createEncoder(config, new Random(4));
    const again = createEncoder(JSON.parse(JSON.stringify(encoder.config)), new Random(4));
    expect([encoder.grid, encoder.leading ?? 0, encoder.featureSize]).toEqual([grid, leading, size]);
    expect(again.preprocessing).toEqual(encoder.preprocessing);
    tf.tidy(() => {
      const [height, width] = encoder.preprocessing.size;
      const pixels = tf.randomUniform<tf.Rank.R4>([2, height, width, 3], -1, 1, 'float32', 5);
      const features = encoder.encode(pixels);
      expect(features.shape).toEqual([2, leading + grid[0] * grid[1], size]);
      expectClose(again.encode(pixels), features, 0);
      expect(() => encoder.encode(tf.zeros([1, height, width + 1, 3]))).toThrow(/pixels has shape/);
    });
    encoder.dispose();
    again.dispose();
  }),
);

test('a frozen batch norm stays as it is; a trained one normalises by the batch and tracks it', () =>
  expectNoLeak(() => {
    for (const batchNorm of ['frozen', 'trained'] as const) {
      const network = new ConvNetwork(resNet({ ...tiny, batchNorm }), new Random(1));
      const { norm } = network.params.stem[0]!;
      const before = norm.runningMean.dataSync().slice();
      tf.tidy(() => {
        const pixels = tf.randomUniform<tf.Rank.R4>([2, 32, 48, 3], 0, 1, 'float32', 6);
        const inTraining = () => tf.sum(tf.square(network.encode(pixels, { training: true }))) as tf.Scalar;
        const { grads } = gradients(inTraining, parametersOf(network.params));
        expect(grads.has('stem.0.weight')).toBe(true);
        expect(grads.has('stem.0.norm.weight')).toBe(batchNorm === 'trained');
        expect(grads.has('stem.0.norm.runningMean')).toBe(false);
      });
      const moved = norm.runningMean.dataSync().some((value, index) => value !== before[index]);
      expect(moved).toBe(batchNorm === 'trained');
      network.dispose();
    }
  }));

test('a stage that the network does not have is refused', () =>
  expect(() => createEncoder({ ...tiny, stage: 3 })).toThrow('stage is 3 but resnet has stages 0 to 2.'));

test('a vision tower is taken out of the file of the whole model', () =>
  expectNoLeak(async () => {
    const whole = new VisionEncoder(tower, new Random(2));
    const stored = new Map([...whole.stateDict()].map(([name, value]) => [name, { value, shape: value.shape }]));
    const others = { 'text_model.final_layer_norm.weight': [3], logit_scale: [], 'vision_model.head.probe': [1] };
    const tensors = new Map<string, { shape: readonly number[] }>(stored);
    for (const [name, shape] of Object.entries(others)) tensors.set(name, { shape });
    const read = async (name: string) => stored.get(name)!.value.dataSync<'float32'>().slice();
    const loaded = await VisionEncoder.load(tower, { tensors, read, where: 'memory' });
    tf.tidy(() => {
      const pixels = tf.randomUniform<tf.Rank.R4>([1, 16, 16, 3], -1, 1, 'float32', 7);
      expectClose(loaded.encode(pixels), whole.encode(pixels), 0);
    });
    for (const { value } of stored.values()) value.dispose();
    whole.dispose();
    loaded.dispose();
  }));
