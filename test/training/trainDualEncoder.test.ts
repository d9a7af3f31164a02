import * as tf from '@tensorflow/tfjs';
import { afterAll, expect, test } from 'vitest';
import { DataError } from '../../src/core/errors';
import { Random } from '../../src/core/random';
import { augment } from '../../src/data/augment/augment';
import { flip } from '../../src/data/augment/flip';
import { randomErasing } from '../../src/data/augment/randomErasing';
import type { Augmentation } from '../../src/data/augment/types';
import { datasetOf } from '../../src/data/dataset';
import { ConvEncoder } from '../../src/encoders/convEncoder';
import { memoryStore } from '../../src/io/stores';
import { DualEncoder } from '../../src/models/dualEncoder';
import { adamW } from '../../src/training/optimizers';
import { constant } from '../../src/training/schedules';
import type { TrainStep } from '../../src/training/train';
import { type TrainDualEncoderOptions, trainDualEncoder } from '../../src/training/trainDualEncoder';
import { expectClose, expectNoLeak } from '../helpers';
import { tinyData, tinyPicture, tinyRecords, tinyTokenizer } from './tiny';

await tf.setBackend('cpu');

const encoder = new ConvEncoder({ type: 'conv', imageSize: 8, channels: [4, 5] }, new Random(1));
afterAll(() => encoder.dispose());
const create = (dropout = 0.1) => {
  const sizes = { embeddingSize: 6, hiddenSize: 8, numHeads: 2, projectionSize: 6, textLayers: 1, maxPositions: 10 };
  return DualEncoder.create({ encoder, tokenizer: tinyTokenizer, ...sizes, dropout, seed: 3 });
};

async function run(model: DualEncoder, options: TrainDualEncoderOptions, look?: (step: TrainStep) => unknown) {
  const optimizer = adamW(1e-2);
  const losses: number[] = [];
  const all = { batchSize: 5, epochs: 3, schedule: constant(), optimizer, seed: 4, ...options };
  try {
    for await (const step of trainDualEncoder(model, tinyData, all)) {
      losses.push(step.loss);
      await look?.(step);
    }
  } finally {
    optimizer.dispose();
  }
  return losses;
}

test('pictures find their captions after some steps, and the temperature is told', () =>
  expectNoLeak(async () => {
    const model = create(0);
    const temperatures: number[] = [];
    const losses = await run(model, { epochs: 40, captionsPerImage: 3 }, ({ figures }) =>
      temperatures.push(figures.temperature!),
    );
    expect(losses[0]).toBeGreaterThan(1);
    // Targets are spread over three captions, which costs log(3) / 2 at least.
    expect(losses.at(-1)).toBeLessThan(Math.log(3) / 2 + 0.2);
    expect(temperatures[0]).toBeCloseTo(0.07, 5);
    expect(temperatures.at(-1)).not.toBe(temperatures[0]);
    const [images, texts] = [
      await model.embedImages(tinyRecords.map((_, i) => tinyPicture(i))),
      await model.embedTexts(tinyRecords.map(({ captions }) => captions[0]!)),
    ];
    expect(tf.tidy(() => [...tf.argMax(tf.matMul(texts, images, false, true), 1).dataSync()])).toEqual([0, 1, 2, 3, 4]);
    tf.dispose([images, texts]);
    model.dispose();
  }));

test('a run that goes on from a snapshot does what the whole one does', async () => {
  const whole = create();
  const losses = await run(whole, { epochs: 4 });
  const store = memoryStore();
  const [begun, rest] = [create(), create()];
  const stop = new AbortController();
  const first: number[] = [];
  await run(begun, { epochs: 4, signal: stop.signal }, async (step) => {
    first.push(step.loss);
    if (step.step < 2) return;
    await step.snapshot(store);
    stop.abort(new Error('enough'));
  }).catch((error) => expect(error.message).toBe('enough'));
  const second = await run(rest, { epochs: 4, resume: store });
  expectClose([...first, ...second], losses, 1e-6);
  await expect(run(rest, { epochs: 4, captionsPerImage: 2, resume: store })).rejects.toThrow(
    /captionsPerImage was 1 and is 2/,
  );
  for (const model of [whole, begun, rest]) model.dispose();
});

test('pictures and captions are augmented by seed, epoch and id, frozen and fine-tuned, and resuming needs the same', () =>
  expectNoLeak(async () => {
    const own = new ConvEncoder({ type: 'conv', imageSize: 8, channels: [4, 5] }, new Random(1));
    const build = () =>
      DualEncoder.create({
        encoder: own,
        tokenizer: tinyTokenizer,
        hiddenSize: 8,
        projectionSize: 6,
        dropout: 0,
        seed: 3,
      });
    const losses = async (options: TrainDualEncoderOptions) => {
      const model = build();
      const found = await run(model, { epochs: 2, ...options });
      model.dispose();
      return found;
    };
    const plain = augment([flip(), randomErasing({ probability: 1 })]);
    const seeds = new Map<string, number[]>();
    const watched: Augmentation = {
      ...plain,
      apply(example, seed) {
        seeds.set(example.id, [...(seeds.get(example.id) ?? []), seed]);
        return plain.apply(example, seed);
      },
    };
    const changed = await losses({ augment: watched });
    expect(changed).not.toEqual(await losses({}));
    for (const [one, other] of seeds.values()) expect(one, 'epochs differ').not.toBe(other);
    const first = new Map(seeds);
    seeds.clear();
    expect(await losses({ augment: watched }), 'the same again').toEqual(changed);
    expect(seeds).toEqual(first);
    // Nothing has been learned before the first step, so the frozen encoder and the one that is trained see the same.
    const tuned = await losses({ augment: plain, epochs: 1, fineTune: { fromEpoch: 1, learningRate: 1e-4 } });
    expectClose(tuned, changed.slice(0, 1), 1e-5);

    const store = memoryStore();
    const model = build();
    await run(model, { epochs: 1, augment: plain }, ({ snapshot }) => snapshot(store));
    await expect(run(model, { epochs: 2, resume: store })).rejects.toThrow(/augment was .*flip.* and is undefined/);
    model.dispose();
    own.dispose();
  }));

test('the encoder is trained where that is asked for, and only then', async () => {
  const own = new ConvEncoder({ type: 'conv', imageSize: 8, channels: [4, 5] }, new Random(1));
  const model = DualEncoder.create({ encoder: own, tokenizer: tinyTokenizer, hiddenSize: 8, dropout: 0 });
  const value = () => weightsOf(model);
  const before = value();
  await run(model, { epochs: 1 });
  expect(value()).toEqual(before);
  await run(model, { epochs: 1, fineTune: { fromEpoch: 1, learningRate: 1e-2 } });
  expect(value()).not.toEqual(before);
  model.dispose();
  own.dispose();
});

const weightsOf = (model: DualEncoder) =>
  [...model.parameters()].filter(([name]) => name.startsWith('encoder')).map(([, value]) => [...value.dataSync()]);

test('an example without captions ends the training, and leaves nothing behind', () =>
  expectNoLeak(async () => {
    const model = create();
    const bare = datasetOf([{ id: 'x', captions: [], split: 'train' as const }], async () => tinyPicture(1));
    const steps = trainDualEncoder(model, bare);
    await expect(steps.next()).rejects.toThrow(DataError);
    model.dispose();
  }));
