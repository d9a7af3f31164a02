import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { AttentionLSTMCaptioner } from '../../src/attentionLSTMCaptioner';
import { askedForCpu } from '../../src/backends/warnIfPlainCpu';
import { UsageError } from '../../src/core/errors';
import { parametersOf } from '../../src/core/parameters';
import { Random } from '../../src/core/random';
import { ConvNetwork } from '../../src/encoders/convNetwork';
import { mobile } from '../../src/encoders/mobile';
import { vgg } from '../../src/encoders/vgg';
import type { FeatureCache } from '../../src/training/features';
import { freeze } from '../../src/training/freeze';
import { adamW } from '../../src/training/optimizers';
import { type TrainOptions, train } from '../../src/training/train';
import { expectClose, expectNoLeak } from '../helpers';
import { tinyCaptioner, tinyData, tinyTokenizer, weightsOf } from '../training/tiny';

await tf.setBackend('cpu');
askedForCpu();

const config = { type: 'efficientnet-lite0', names: 'timm', tensorflow: true, imageSize: [32, 32] } as const;
const network = () => new ConvNetwork(mobile({ ...config, stage: 3 }), new Random(3));

test('both parts together are the whole', () =>
  expectNoLeak(() => {
    const encoder = network();
    tf.tidy(() => {
      const pixels = tf.randomUniform<tf.Rank.R4>([2, 32, 32, 3], -1, 1, 'float32', 5);
      const whole = encoder.encode(pixels);
      for (const stage of [0, 1, 2]) {
        const { before, after } = encoder.divide(stage);
        expect([stage, after(before.encode(pixels)).shape]).toEqual([stage, whole.shape]);
        expectClose(after(before.encode(pixels)), whole, 0); // the same operations
        expect(before.config.stage).toBe(stage);
      }
    });
    encoder.dispose();
  }));

test('a division that cannot be is wrong use', () => {
  const encoder = network();
  for (const stage of [-1, 3, 1.5]) expect(() => encoder.divide(stage)).toThrow(UsageError);
  encoder.dispose();
  const other = new ConvNetwork(vgg({ type: 'vgg11', imageSize: [32, 32], stage: 1 }), new Random(3));
  expect(() => other.divide(0)).toThrow('cannot be divided');
  other.dispose();
});

/** The captioner's weights after two epochs of two steps, the second with the encoder trained. */
async function trained(fineTune: TrainOptions['fineTune'], frozen?: RegExp, features?: FeatureCache) {
  const encoder = network();
  const captioner = AttentionLSTMCaptioner.create({
    encoder,
    tokenizer: tinyTokenizer,
    embeddingSize: 4,
    hiddenSize: 5,
    attentionSize: 3,
    dropout: 0,
  });
  const optimizer = adamW(0.01);
  try {
    if (frozen) freeze(captioner.parameters(), frozen);
    const options = { optimizer, epochs: 2, batchSize: 3, captionsPerImage: 2, ...(fineTune && { fineTune }) };
    for await (const _ of train(captioner, tinyData, { ...options, ...(features && { features }) }));
    return { ...weightsOf(captioner), ...encoderWeights(encoder) };
  } finally {
    optimizer.dispose();
    captioner.dispose();
    encoder.dispose();
  }
}

const encoderWeights = (encoder: ConvNetwork) =>
  Object.fromEntries([...parametersOf(encoder.params, 'encoder')].map(([name, at]) => [name, at.dataSync().slice()]));

test('trained after a stage is trained with the rest frozen', () =>
  expectNoLeak(async () => {
    const whole = await trained({ fromEpoch: 2, learningRate: 0.001 }, /^encoder\.(stem|stages\.[01])\b/);
    const part = await trained({ fromEpoch: 2, learningRate: 0.001, afterStage: 2 });
    const before = await trained(undefined);
    const moved = Object.keys(before).filter((name) => part[name]!.some((value, i) => value !== before[name]![i]));
    expect(moved.filter((name) => name.startsWith('encoder')).map((name) => name.split('.')[2])).toEqual(
      Array(6).fill('2'),
    );
    // The same gradients, but for the order of sums. That of a number added to all scores is 0 but for rounding, which AdamW makes large.
    const { 'decoder.attention.score.bias': _, ...others } = whole;
    for (const [name, values] of Object.entries(others)) expectClose(part[name]!, values, 2e-4);
  }));

test('what comes before is kept, and is computed once', () =>
  expectNoLeak(async () => {
    const kept = new Map<string, Float32Array>();
    const asked: string[] = [];
    const features: FeatureCache = {
      of: async () => ({
        get: async (picture) => kept.get(picture),
        put: async (picture, values) => {
          asked.push(picture);
          kept.set(picture, values);
          return values;
        },
      }),
    };
    await trained({ fromEpoch: 2, learningRate: 0.001, afterStage: 2 }, undefined, features);
    expect(asked.length).toBe(tinyData.size);
    expect([...kept.values()].map(({ length }) => length)).toEqual(Array(tinyData.size).fill(8 * 8 * 24));
  }));

test('an encoder that has no stages says so', async () => {
  const captioner = tinyCaptioner();
  const steps = train(captioner, tinyData, { fineTune: { fromEpoch: 1, learningRate: 1e-4, afterStage: 1 } });
  await expect(steps.next()).rejects.toThrow('cannot be divided');
  captioner.dispose();
  captioner.encoder.dispose();
});
