import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { askedForCpu } from '../../src/backends/warnIfPlainCpu';
import { UsageError } from '../../src/core/errors';
import { memoryStore } from '../../src/io/stores';
import type { Store } from '../../src/io/types';
import { averaging } from '../../src/training/ema';
import { adam, adamW } from '../../src/training/optimizers';
import { type TrainOptions, train } from '../../src/training/train';
import { expectClose, expectNoLeak } from '../helpers';
import { dispose, tinyCaptioner, tinyData, weightsOf } from './tiny';

await tf.setBackend('cpu');
askedForCpu();

test('averages move towards the parameters, slowly at first, and take their place for a while', () =>
  expectNoLeak(async () => {
    const optimizer = averaging(adam(0.1), { decay: 0.5 });
    const parameters = new Map([['a', tf.tidy(() => tf.variable(tf.tensor1d([1, -2])))]]);
    const gradient = new Map([['a', tf.tensor1d([0.5, -0.25])]]);
    const a = parameters.get('a')!;
    let expected = [1, -2];
    for (let step = 1; step <= 12; step++) {
      optimizer.apply(parameters, gradient, () => 1);
      const decay = Math.min(0.5, (1 + step) / (10 + step));
      const now = a.dataSync();
      expected = expected.map((average, i) => decay * average + (1 - decay) * now[i]!);
      expect(optimizer.learningRate).toBe(0.1);
    }
    const before = a.dataSync().slice();
    const inside = await optimizer.withAverages(parameters, async () => a.dataSync().slice());
    expectClose(inside, expected, 1e-6);
    expect(Math.abs(inside[0]! - before[0]!)).toBeGreaterThan(0.01);
    expect(a.dataSync()).toEqual(before);
    optimizer.dispose();
    tf.dispose([a, ...gradient.values()]);
  }));

test('parameters come back where the work with averages fails', () =>
  expectNoLeak(async () => {
    const optimizer = averaging(adam(0.1), { decay: 0.9 });
    const a = tf.tidy(() => tf.variable(tf.tensor1d([1, -2])));
    const gradient = tf.tensor1d([0.5, -0.25]);
    optimizer.apply(new Map([['a', a]]), new Map([['a', gradient]]), () => 1);
    const before = a.dataSync().slice();
    const failed = optimizer.withAverages(new Map([['a', a]]), async () => {
      throw new Error('no room');
    });
    await expect(failed).rejects.toThrow('no room');
    expect(a.dataSync()).toEqual(before);
    optimizer.dispose();
    tf.dispose([a, gradient]);
  }));

test('a training learns the same with averages, and resumed it has them bit for bit', () =>
  expectNoLeak(async () => {
    const plan: TrainOptions = {
      ...{ batchSize: 2, captionsPerImage: 2, epochs: 2, seed: 5 },
      fineTune: { fromEpoch: 2, learningRate: 1e-3 },
    };
    const run = async (options: TrainOptions, { seed = 1, saved }: { seed?: number; saved?: Store } = {}) => {
      const captioner = tinyCaptioner({ seed });
      const optimizer = averaging(adamW(0.01), { decay: 0.8 });
      for await (const step of train(captioner, tinyData, { ...options, optimizer }))
        if (saved && step.step === 2) await step.snapshot(saved);
      const weights = weightsOf(captioner);
      const averages = await optimizer.withAverages(captioner.parameters(), async () => weightsOf(captioner));
      optimizer.dispose();
      dispose(captioner);
      return { weights, averages };
    };
    const store = memoryStore();
    const whole = await run(plan, { saved: store });
    expect(await run({ ...plan, resume: store }, { seed: 99 })).toEqual(whole);
    expect(whole.averages).not.toEqual(whole.weights);

    const captioner = tinyCaptioner();
    const optimizer = adamW(0.01);
    for await (const _ of train(captioner, tinyData, { ...plan, optimizer }));
    expect(weightsOf(captioner)).toEqual(whole.weights);
    optimizer.dispose();
    dispose(captioner);
  }));

test.each([0, 1, -0.5, Number.NaN])('a decay of %d is refused', (decay) => {
  const optimizer = adam(0.1);
  expect(() => averaging(optimizer, { decay })).toThrow(UsageError);
});
