import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { UsageError } from '../../src/core/errors';
import { Random } from '../../src/core/random';
import { augment } from '../../src/data/augment/augment';
import { flip, flipPixels } from '../../src/data/augment/flip';
import { randomErasing } from '../../src/data/augment/randomErasing';
import type { Augmentation } from '../../src/data/augment/types';
import { datasetOf } from '../../src/data/dataset';
import { memoryStore } from '../../src/io/stores';
import { captionBatch } from '../../src/training/captionBatch';
import { captionLoss } from '../../src/training/captionLoss';
import { distillation } from '../../src/training/distillation';
import { openFeatureStore } from '../../src/training/featureStore';
import { identify } from '../../src/training/features';
import { drawMixture, mixCaptions, mixFeatures } from '../../src/training/mixup';
import { type TrainOptions, train } from '../../src/training/train';
import { dropWords } from '../../src/training/wordDropout';
import { expectClose, expectNoLeak } from '../helpers';
import { dispose, tinyCaptioner, tinyData, tinyPicture, tinyRecords } from './tiny';

await tf.setBackend('cpu');

async function lossesOf(options: TrainOptions): Promise<number[]> {
  const captioner = tinyCaptioner();
  const losses: number[] = [];
  try {
    for await (const { loss } of train(captioner, tinyData, { batchSize: 2, epochs: 2, seed: 3, ...options }))
      losses.push(loss);
  } finally {
    dispose(captioner);
  }
  return losses;
}

test('what pictures become follows from seed, epoch and id alone', () =>
  expectNoLeak(async () => {
    const plain = augment([flip(), randomErasing()]);
    const seen = new Map<string, number[]>();
    const watched: Augmentation = {
      ...plain,
      apply(example, seed) {
        seen.set(example.id, [...(seen.get(example.id) ?? []), seed]);
        return plain.apply(example, seed);
      },
    };
    const losses = await lossesOf({ augment: watched });
    const first = new Map(seen);
    seen.clear();
    expect(await lossesOf({ augment: watched, batchSize: 2 })).toEqual(losses);
    // Other batches, the same seeds: nothing depends on the order of the pictures.
    const other = (await lossesOf({ augment: watched, batchSize: 5 })).length;
    expect(other).toBe(2);
    for (const [id, seeds] of first) {
      expect(seeds).toHaveLength(2);
      expect(seeds[0], 'epochs differ').not.toBe(seeds[1]);
      expect(seen.get(id)).toEqual([...seeds, ...seeds]);
    }
    expect(await lossesOf({})).not.toEqual(losses);
  }));

test('with flips a store holds two views of each picture, and a filled one teaches the same', () =>
  expectNoLeak(async () => {
    const captioner = tinyCaptioner();
    const store = memoryStore();
    const features = await openFeatureStore(store, await identify(captioner.encoder));
    dispose(captioner);
    const options = { augment: augment([flip()]), features, epochs: 8 };
    const losses = await lossesOf(options);
    expect(features.size).toBe(10);
    expect(await lossesOf(options)).toEqual(losses);
    expect(features.size).toBe(10);
  }));

test('a resumed training has to have the same augmentation and mixup', async () => {
  const store = memoryStore();
  const captioner = tinyCaptioner();
  for await (const { snapshot } of train(captioner, tinyData, { augment: augment([flip()]), mixup: 0.4 })) {
    await snapshot(store);
    break;
  }
  const resumed = (options: TrainOptions) => train(captioner, tinyData, { ...options, resume: store }).next();
  await expect(resumed({ mixup: 0.4 })).rejects.toThrow(
    'augment was [{"name":"flip","probability":0.5}] and is undefined',
  );
  await expect(resumed({ augment: augment([flip()]), mixup: 0.3 })).rejects.toThrow('mixup was 0.4 and is 0.3');
  dispose(captioner);
});

test('mixup: partners are a ring, shares are Beta, features and captions follow them', () => {
  const random = new Random(5);
  const { partners, shares } = drawMixture(2000, 0.4, random);
  expect(new Set(partners).size).toBe(2000);
  expect(partners.every((partner, i) => partner !== i)).toBe(true);
  const mean = shares.reduce((sum, share) => sum + share, 0) / 2000;
  const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / 2000;
  expect(mean).toBeCloseTo(0.5, 1); // a standard deviation is 0.008
  expect(variance).toBeCloseTo(1 / (4 * (2 * 0.4 + 1)), 2); // of Beta(a, a): 1 / (4 (2a + 1))

  const mixture = { partners: [1, 2, 0], shares: [1, 0.25, 0] };
  tf.tidy(() => {
    const mixed = mixFeatures(tf.tensor3d([1, 2, 10, 20, 100, 200], [3, 1, 2]), mixture);
    expectClose(mixed, [1, 2, 77.5, 155, 1, 2], 1e-5);
  });
  const captions = mixCaptions([Array(400).fill('a'), Array(400).fill('b'), Array(400).fill('c')], mixture, random);
  expect(new Set(captions[0])).toEqual(new Set(['a']));
  expect(new Set(captions[2])).toEqual(new Set(['a']));
  expect(captions[1]!.filter((caption) => caption === 'b').length / 400).toBeCloseTo(0.25, 1);
});

test('mixup trains, frozen and fine-tuned, and leaves nothing behind', () =>
  expectNoLeak(async () => {
    const plain = await lossesOf({});
    const mixed = await lossesOf({ mixup: 0.4 });
    expect(mixed).not.toEqual(plain);
    expect(mixed.every(Number.isFinite)).toBe(true);
    const tuned = await lossesOf({ mixup: 0.4, fineTune: { fromEpoch: 1, learningRate: 1e-3 } });
    expectClose(tuned.slice(0, 1), mixed.slice(0, 1), 1e-4); // the encoder has not changed yet
  }));

test('mixup that cannot be meant', async () => {
  await expect(lossesOf({ mixup: 0 })).rejects.toThrow(UsageError);
  await expect(lossesOf({ mixup: 1.5 })).rejects.toThrow('at most 1');
  const teacher = tinyCaptioner();
  await expect(lossesOf({ mixup: 0.3, objective: distillation({ teachers: [teacher] }) })).rejects.toThrow(
    'leave it out',
  );
  dispose(teacher);
});

test('the loss of captions is that of the training without dropout, weighed by tokens', () =>
  expectNoLeak(async () => {
    const captioner = tinyCaptioner({ dropout: 0 });
    const whole = await captionLoss(captioner, tinyData);
    expectClose([await captionLoss(captioner, tinyData, { batchSize: 2 })], [whole], 1e-5);
    for await (const { crossEntropy } of train(captioner, tinyData, { batchSize: 5, captionsPerImage: 3 })) {
      expectClose([crossEntropy], [whole], 1e-5); // of all captions, before the first step changes anything
      break;
    }
    dispose(captioner);
  }));

test('pictures with unequal numbers of captions are looked at too; none at all is an error', () =>
  expectNoLeak(async () => {
    const captioner = tinyCaptioner();
    const open = async ({ id }: { id: string }) => tinyPicture(Number.parseInt(id, 10));
    const uneven = tinyRecords.map((record, i) => ({ ...record, captions: record.captions.slice(0, i % 4) }));
    expect(await captionLoss(captioner, datasetOf(uneven, open))).toBeGreaterThan(0);
    await expect(captionLoss(captioner, datasetOf([], open))).rejects.toThrow('no captions');
    dispose(captioner);
    expect(flipPixels(flipPixels(tinyPicture(1)))).toEqual(tinyPicture(1));
  }));

test('word dropout makes words unknown that are read, not those that are said, and no start or padding', async () => {
  const special = { startId: 1, endId: 2, padId: 0, unknownId: 3 };
  const words = Array.from({ length: 40 }, (_, row) => Array.from({ length: 10 + (row % 5) }, (_, i) => 4 + i));
  const whole = captionBatch(words, special);
  const dropped = dropWords(whole, 0.3, special, new Random(2));
  expect({ ...dropped, inputs: whole.inputs }).toEqual(whole);
  let [unknown, all] = [0, 0];
  for (const [i, token] of whole.inputs.entries()) {
    if (token < 4) expect(dropped.inputs[i]).toBe(token);
    else {
      all++;
      if (dropped.inputs[i] === 3) unknown++;
      else expect(dropped.inputs[i]).toBe(token);
    }
  }
  expect(unknown / all).toBeCloseTo(0.3, 1); // a standard deviation is 0.02
  expect(dropWords(whole, 0, special, new Random(2))).toBe(whole);
  expect(await lossesOf({ wordDropout: 0.5 })).not.toEqual(await lossesOf({}));
  await expect(lossesOf({ wordDropout: 1 })).rejects.toThrow(UsageError);
});
