import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { askedForCpu } from '../../src/backends/warnIfPlainCpu';
import { UsageError } from '../../src/core/errors';
import { Random } from '../../src/core/random';
import { greedy } from '../../src/decoders/search/greedy';
import { memoryStore } from '../../src/io/stores';
import { captionBatch } from '../../src/training/captionBatch';
import { adamW } from '../../src/training/optimizers';
import { inverseSigmoidShare, risingShare, withOwnWords } from '../../src/training/scheduledSampling';
import { type TrainOptions, train } from '../../src/training/train';
import { expectNoLeak } from '../helpers';
import { dispose, tinyCaptioner, tinyData, tinyPicture, tinyTokenizer, weightsOf } from './tiny';

await tf.setBackend('cpu');
askedForCpu();

const captions = captionBatch(
  ['a red ball on the grass', 'the cat', 'two children play ball', 'a dog'].map((text) => tinyTokenizer.encode(text)),
  tinyTokenizer,
);
const { rows, time } = captions;

async function withTiny(
  use: (captioner: ReturnType<typeof tinyCaptioner>, features: tf.Tensor3D) => Promise<void>,
  options: Parameters<typeof tinyCaptioner>[0] = {},
): Promise<void> {
  await expectNoLeak(async () => {
    const captioner = tinyCaptioner(options);
    const features = await captioner.encode([tinyPicture(1), tinyPicture(2)]); // two captions of each
    await use(captioner, features);
    features.dispose();
    dispose(captioner);
  });
}

describe('words of its own', () => {
  test('are a share of what is read; targets, padding and the start stay', () =>
    withTiny(async ({ decoder }, features) => {
      let changed = 0;
      let places = 0;
      for (let seed = 0; seed < 40; seed++) {
        const read = await withOwnWords(decoder, features, captions, { share: 0.5, random: new Random(seed) });
        expect({ ...read, inputs: captions.inputs }).toEqual(captions);
        for (let place = 0; place < rows * time; place++) {
          const free = place % time > 0 && captions.mask[place] === 1;
          if (!free) expect(read.inputs[place]).toBe(captions.inputs[place]);
          else {
            places++;
            if (read.inputs[place] !== captions.inputs[place]) changed++;
          }
        }
      }
      // Half of them, less those that happen to be the true ones.
      expect(changed / places).toBeGreaterThan(0.38);
      expect(changed / places).toBeLessThan(0.52);
    }));

  test('follow from the source of randomness alone, and none are read at a share of 0', () =>
    withTiny(async ({ decoder }, features) => {
      const draw = (share: number, seed: number) =>
        withOwnWords(decoder, features, captions, { share, random: new Random(seed) });
      expect((await draw(0.5, 1)).inputs).toEqual((await draw(0.5, 1)).inputs);
      expect((await draw(0.5, 1)).inputs).not.toEqual((await draw(0.5, 2)).inputs);
      expect((await draw(0, 1)).inputs).toEqual(captions.inputs);
    }));

  test('go on from own words: a sure captioner that reads nothing else says its greedy caption', () =>
    withTiny(async (captioner, features) => {
      const { decoder } = captioner;
      // So sure that what is drawn is what is likeliest.
      tf.tidy(() => {
        for (const variable of [decoder.params.output.weight, decoder.params.output.bias] as tf.Variable[])
          variable.assign(tf.mul(variable, 1e5));
      });
      const { inputs } = await withOwnWords(decoder, features, captions, { share: 1, random: new Random(1) });
      const memory = tf.tidy(() => decoder.remember(features));
      const { startId } = tinyTokenizer;
      const found = await greedy()(decoder, memory, { batch: 2, startId, endId: [], maxLength: time - 1 });
      tf.dispose([memory.keys]);
      for (let row = 0; row < rows; row++) {
        const length = captions.mask.subarray(row * time, (row + 1) * time).reduce((sum, one) => sum + one, 0);
        const [caption] = found[Math.floor(row / 2)]!;
        expect([...inputs.subarray(row * time + 1, row * time + length)]).toEqual(caption!.tokens.slice(0, length - 1));
      }
    }));
});

describe('shares', () => {
  test('rise', () => {
    const share = risingShare(0.25);
    expect([share(0, 5), share(2, 5), share(4, 5), share(0, 1)]).toEqual([0, 0.125, 0.25, 0]);
    const sigmoid = inverseSigmoidShare(10);
    expect(sigmoid(0, 1)).toBeCloseTo(1 / 11, 12);
    expect(sigmoid(23, 1)).toBeCloseTo(1 - 10 / (10 + Math.exp(2.3)), 12);
    expect(sigmoid(1e6, 1)).toBeCloseTo(1, 12);
  });

  test.each([0, 1.5, Number.NaN])('of %d are refused', (most) => {
    expect(() => risingShare(most)).toThrow(UsageError);
    expect(() => inverseSigmoidShare(most === 1.5 ? -1 : most)).toThrow(UsageError);
  });
});

test('a training with own words is another one, and resumed is the uninterrupted one, bit for bit', () =>
  expectNoLeak(async () => {
    const plan: TrainOptions = {
      ...{ batchSize: 2, captionsPerImage: 2, epochs: 2, seed: 5 },
      fineTune: { fromEpoch: 2, learningRate: 1e-3 },
      scheduledSampling: risingShare(0.8),
    };
    const store = memoryStore();
    const run = async (options: TrainOptions, seed = 1) => {
      const captioner = tinyCaptioner({ seed });
      const optimizer = adamW(0.01);
      const losses: number[] = [];
      for await (const { loss, step, snapshot } of train(captioner, tinyData, { ...options, optimizer })) {
        losses.push(loss);
        if (step === 2 && !options.resume) await snapshot(store);
      }
      const weights = weightsOf(captioner);
      optimizer.dispose();
      dispose(captioner);
      return { losses, weights };
    };
    const whole = await run(plan);
    const rest = await run({ ...plan, resume: store }, 99);
    expect(rest).toEqual({ losses: whole.losses.slice(2), weights: whole.weights });
    const { scheduledSampling: _, ...plain } = plan;
    const without = await run(plain);
    expect(without.losses[0]).toBe(whole.losses[0]);
    expect(without.losses.at(-1)).not.toBe(whole.losses.at(-1));
  }));
