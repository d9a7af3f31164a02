import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { askedForCpu } from '../src/backends/warnIfPlainCpu';
import { DataError, UsageError } from '../src/core/errors';
import { Random } from '../src/core/random';
import { datasetOf } from '../src/data/dataset';
import { beam } from '../src/decoders/search/beam';
import { ConvEncoder } from '../src/encoders/convEncoder';
import type { Encoder } from '../src/encoders/types';
import { ViT } from '../src/encoders/vit';
import { memoryStore } from '../src/io/stores';
import { adamW } from '../src/training/optimizers';
import { train } from '../src/training/train';
import { TransformerCaptioner, type TransformerCaptionerOptions } from '../src/transformerCaptioner';
import { expectNoLeak } from './helpers';
import { tinyPicture, tinyRecords, tinyTokenizer } from './training/tiny';

await tf.setBackend('cpu');
askedForCpu();

/** A grid of 2 x 2 by convolutions. */
const conv = () => new ConvEncoder({ type: 'conv', imageSize: 8, channels: [4, 5] }, new Random(1));

/** Four patches and a class token, through one layer. */
const patches = () =>
  new ViT(
    {
      type: 'vit',
      imageSize: [8, 8],
      patchSize: [4, 4],
      channels: 3,
      hiddenSize: 8,
      numLayers: 1,
      numHeads: 2,
      innerSize: 12,
      activation: 'gelu',
      epsilon: 1e-6,
      qkvBias: true,
    },
    new Random(1),
  );

const tiny = (encoder: Encoder, options: Partial<TransformerCaptionerOptions> = {}) =>
  TransformerCaptioner.create({
    encoder,
    tokenizer: tinyTokenizer,
    hiddenSize: 12,
    numHeads: 2,
    numLayers: 2,
    maxPositions: 10,
    dropout: 0,
    generation: { beamSize: 2, maxLength: 8 },
    seed: 1,
    ...options,
  });

const pictures = [0, 1, 2].map(tinyPicture);
const weightsOf = (captioner: TransformerCaptioner) =>
  Object.fromEntries([...captioner.parameters()].map(([name, variable]) => [name, variable.dataSync().slice()]));

describe('learns a few pictures by heart', () => {
  const known = datasetOf(
    tinyRecords.map((record) => ({ ...record, captions: record.captions.slice(0, 1) })),
    async ({ id }) => tinyPicture(Number.parseInt(id, 10)),
  );
  const tuned = { fineTune: { fromEpoch: 1, learningRate: 0.01 } };
  const sines = { norm: 'post', wordPositions: 'sinusoidal', encoderLayers: 0 } as const;
  test.each<[string, () => Encoder, Partial<TransformerCaptionerOptions>, object]>([
    ['a grid, pre-norm', conv, {}, {}],
    ['a grid, post-norm, sines, no encoder layers', conv, sines, {}],
    ['patches with their encoder, untied', patches, { tied: false, encoderLayers: 0 }, tuned],
  ])('%s', (_, make, options, fineTune) =>
    expectNoLeak(async () => {
      const encoder = make();
      const captioner = tiny(encoder, options);
      const optimizer = adamW(0.02);
      const losses: number[] = [];
      const settings = { optimizer, epochs: 60, batchSize: 5, captionsPerImage: 1, ...fineTune };
      for await (const { crossEntropy } of train(captioner, known, settings)) losses.push(crossEntropy);
      expect(losses.at(-1)).toBeLessThan(0.15);
      const captions = await captioner.caption(tinyRecords.map((_, i) => tinyPicture(i)));
      expect(captions.map(({ text }) => text)).toEqual(tinyRecords.map(({ captions }) => captions[0]));
      optimizer.dispose();
      captioner.dispose();
      encoder.dispose();
    }),
  );
});

describe('captioning', () => {
  test('does not depend on the batch, and tells where it looked', () =>
    expectNoLeak(async () => {
      const encoder = conv();
      const captioner = tiny(encoder);
      const search = beam({ beamSize: 3 });
      const together = await captioner.caption(pictures, { search, attention: true });
      for (const [i, picture] of pictures.entries()) {
        const alone = await captioner.caption(picture, { search, attention: true });
        expect(alone.tokens).toEqual(together[i]!.tokens);
        for (const [t, logProb] of alone.logProbs.entries()) expect(logProb).toBeCloseTo(together[i]!.logProbs[t]!, 4);
      }
      const { attention, grid, words } = together[0]!;
      expect(grid).toEqual([2, 2]);
      expect(attention!.length).toBe(words.length);
      for (const weights of attention!) expect(weights.reduce((sum, weight) => sum + weight)).toBeCloseTo(1, 4);
      captioner.dispose();
      encoder.dispose();
    }));

  test('longer than there are places is wrong use, and leaves nothing behind', () =>
    expectNoLeak(async () => {
      const encoder = conv();
      const captioner = tiny(encoder, { maxPositions: 3 });
      const ask = () =>
        captioner.caption(pictures[0]!, { search: beam({ beamSize: 2, minLength: 20 }), maxLength: 20 });
      await expect(ask()).rejects.toThrow(UsageError);
      captioner.dispose();
      encoder.dispose();
    }));

  test.each([
    [{ hiddenSize: 10, numHeads: 4 }, 'should be a multiple of numHeads'],
    [{ numLayers: 0 }, 'numLayers is 0'],
    [{ dropout: 1 }, 'dropout is 1'],
  ])('%j is wrong use', (options, message) => {
    const encoder = conv();
    expect(() => tiny(encoder, options)).toThrow(UsageError);
    expect(() => tiny(encoder, options)).toThrow(message);
    encoder.dispose();
  });
});

describe('save and load', () => {
  test.each([
    ['conv', conv, { norm: 'post', tied: false }],
    ['vit', patches, { wordPositions: 'sinusoidal', encoderLayers: 2 }],
  ] as const)('give the same captioner: %s', (_, make, options) =>
    expectNoLeak(async () => {
      const encoder = make();
      const captioner = tiny(encoder, { ...options, dropout: 0.25 });
      const store = memoryStore();
      await captioner.save(store);
      expect(await store.list()).toEqual(['README.md', 'config.json', 'model.safetensors', 'vocabulary.json']);
      const loaded = await TransformerCaptioner.load(store);
      expect(weightsOf(loaded)).toEqual(weightsOf(captioner));
      expect(loaded.config).toEqual(captioner.config);
      expect(loaded.encoder.config).toEqual(encoder.config);
      expect(loaded.generation).toEqual(captioner.generation);
      expect(loaded.dropout).toBe(0.25);
      expect(await loaded.caption(pictures)).toEqual(await captioner.caption(pictures));
      captioner.dispose();
      encoder.dispose();
      loaded.dispose();
    }),
  );

  test('what does not fit says so, and leaves nothing behind', () =>
    expectNoLeak(async () => {
      const encoder = conv();
      const captioner = tiny(encoder);
      const store = memoryStore();
      await captioner.save(store);
      const text = new TextDecoder().decode(await store.read('config.json'));
      const changed = async (from: string, to: string) => {
        expect(text).toContain(from);
        await store.write('config.json', new TextEncoder().encode(text.replace(from, to)));
        await expect(TransformerCaptioner.load(store)).rejects.toThrow(DataError);
      };
      await changed('"positions": 4', '"positions": 5');
      await changed('"architecture": "transformer"', '"architecture": "attention-lstm"');
      await changed('"innerSize": 48', '"innerSize": 40');
      captioner.dispose();
      encoder.dispose();
    }));
});
