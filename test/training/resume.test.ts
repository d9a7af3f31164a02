import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { askedForCpu } from '../../src/backends/warnIfPlainCpu';
import { DataError, UsageError } from '../../src/core/errors';
import { memoryStore } from '../../src/io/stores';
import type { Store } from '../../src/io/types';
import { adamW, type Optimizer } from '../../src/training/optimizers';
import { hasSnapshot, readTrainingState } from '../../src/training/snapshot';
import { type TrainOptions, train } from '../../src/training/train';
import { expectNoLeak } from '../helpers';
import { dispose, tinyCaptioner, tinyData, weightsOf } from './tiny';

await tf.setBackend('cpu');
askedForCpu();

type Plan = TrainOptions & { make?: () => Optimizer | tf.Optimizer; numLayers?: number };

/** Trains a new captioner and tells what came of it; with `saved`, a snapshot is written there after that step. */
async function run(
  { make = () => adamW(0.01), numLayers = 1, ...options }: Plan,
  { seed = 1, saved, until = Infinity }: { seed?: number; saved?: { step: number; store: Store }; until?: number } = {},
) {
  const captioner = tinyCaptioner({ seed, numLayers });
  const optimizer = make();
  const losses: number[] = [];
  try {
    for await (const { step, loss, snapshot } of train(captioner, tinyData, { ...options, optimizer })) {
      losses.push(loss);
      if (step === saved?.step) await snapshot(saved.store, { best: 0.25, name: `after ${step}` });
      if (step === until) break;
    }
    return { losses, weights: weightsOf(captioner) };
  } finally {
    optimizer.dispose();
    dispose(captioner);
  }
}

const base = { batchSize: 2, captionsPerImage: 2, epochs: 2, seed: 5 } as const; // 3 steps per epoch, 6 in all

const plans: [string, Plan, number][] = [
  ['on the border of an epoch', base, 3],
  ['within an epoch', base, 2],
  ['after the first step', base, 1],
  ['with accumulated gradients, 2 steps per epoch', { ...base, epochs: 3, accumulate: 2 }, 3],
  ['with accumulated gradients, on the border of an epoch', { ...base, epochs: 3, accumulate: 2 }, 2],
  ['while the encoder is still frozen', { ...base, fineTune: { fromEpoch: 2, learningRate: 1e-3 } }, 2],
  ['where the encoder begins to learn', { ...base, fineTune: { fromEpoch: 2, learningRate: 1e-3 } }, 3],
  ['while the encoder is trained', { ...base, fineTune: { fromEpoch: 2, learningRate: 1e-3 } }, 4],
  ['with two layers and label smoothing', { ...base, numLayers: 2, labelSmoothing: 0.1, clip: { value: 0.05 } }, 3],
  ['with an optimizer of tfjs', { ...base, make: () => tf.train.rmsprop(0.01) }, 3],
];

test.each(plans)('a training resumed %s is the uninterrupted one, bit for bit', (_, plan, step) =>
  expectNoLeak(async () => {
    const store = memoryStore();
    const whole = await run(plan, { saved: { step, store } });
    expect(whole.losses).toHaveLength(6);
    // Another seed of the captioner: what goes on comes from the snapshot, not from the same beginning.
    const rest = await run({ ...plan, resume: store }, { seed: 99 });
    expect(rest.losses).toEqual(whole.losses.slice(step));
    expect(rest.weights).toEqual(whole.weights);
  }),
);

test('a training that is over does nothing more', async () => {
  const store = memoryStore();
  const whole = await run(base, { saved: { step: 6, store } });
  const rest = await run({ ...base, resume: store }, { seed: 99 });
  expect(rest).toEqual({ losses: [], weights: whole.weights });
});

test('a snapshot brings notes back, and takes the place of the one before', async () => {
  const store = memoryStore();
  await run(base, { saved: { step: 2, store }, until: 2 });
  await run({ ...base, resume: store }, { saved: { step: 5, store } });
  const state = await readTrainingState(store);
  expect(state).toMatchObject({ step: 5, folder: 'training/5', notes: { best: 0.25, name: 'after 5' } });
  expect(await store.list()).toEqual([
    'training/5/model.safetensors',
    'training/5/optimizer.safetensors',
    'training/5/state.json',
    'training/latest.json',
  ]);
});

/** A store that fails at its n-th change (from 0), as a full disk or a kill would have it. */
function failingAt(store: Store, n: number): Store & { changes: number } {
  const failing = {
    ...store,
    changes: 0,
    async write(name: string, bytes: Uint8Array) {
      if (failing.changes++ === n) throw new Error('the disk is full');
      await store.write(name, bytes);
    },
    async remove(name: string) {
      if (failing.changes++ === n) throw new Error('the disk is full');
      await store.remove(name);
    },
  };
  return failing;
}

describe('a snapshot that is cut short', async () => {
  const whole = await run(base);
  const counted = await (async () => {
    const store = memoryStore();
    await run(base, { saved: { step: 2, store }, until: 2 });
    const counting = failingAt(store, Infinity);
    await run({ ...base, resume: store }, { saved: { step: 4, store: counting } });
    return counting.changes;
  })();

  test('changes a store seven times: three files and their name, then the old three go', () => {
    expect(counted).toBe(7);
  });

  test.each(Array.from({ length: counted }, (_, n) => n))('at change %i leaves a whole one', (n) =>
    expectNoLeak(async () => {
      const store = memoryStore();
      await run(base, { saved: { step: 2, store }, until: 2 });
      const saved = { step: 4, store: failingAt(store, n) };
      await expect(run({ ...base, resume: store }, { saved })).rejects.toThrow('the disk is full');
      const { step } = await readTrainingState(store);
      expect(step).toBe(n < 4 ? 2 : 4);
      const rest = await run({ ...base, resume: store }, { seed: 99, saved: { step: 6, store } });
      expect(rest).toEqual({ losses: whole.losses.slice(step), weights: whole.weights });
      // The next one clears what was left half-done.
      expect((await store.list('training/')).filter((name) => !name.startsWith('training/6/'))).toEqual([
        'training/latest.json',
      ]);
    }),
  );

  test.each([0, 1, 2, 3])('at change %i of the very first one leaves none', async (n) => {
    const store = memoryStore();
    const saved = { step: 2, store: failingAt(store, n) };
    await expect(run(base, { saved })).rejects.toThrow('the disk is full');
    expect(await hasSnapshot(store)).toBe(false);
    await expect(run({ ...base, resume: store })).rejects.toThrow(/holds no training to go on with/);
  });
});

describe('what cannot be resumed', () => {
  async function saved(): Promise<Store> {
    const store = memoryStore();
    await run(base, { saved: { step: 2, store }, until: 2 });
    return store;
  }

  test('other settings than before are all named', () =>
    expectNoLeak(async () => {
      const failed = run({ ...base, batchSize: 3, seed: 6, resume: await saved() });
      await expect(failed).rejects.toThrow(UsageError);
      await expect(failed).rejects.toThrow(/seed was 5 and is 6; batchSize was 2 and is 3/);
    }));

  test('another model', () =>
    expectNoLeak(async () => {
      const failed = run({ ...base, numLayers: 2, resume: await saved() });
      await expect(failed).rejects.toThrow(DataError);
      await expect(failed).rejects.toThrow(/training\/2\/model.safetensors in memory do not fit/);
    }));

  test.each(['model.safetensors', 'optimizer.safetensors', 'state.json'])('a damaged %s', (name) =>
    expectNoLeak(async () => {
      const store = await saved();
      const bytes = await store.read(`training/2/${name}`);
      await store.write(`training/2/${name}`, bytes.slice(0, bytes.length / 2));
      const failed = run({ ...base, resume: store });
      await expect(failed).rejects.toThrow(DataError);
      await expect(failed).rejects.toThrow(`training/2/${name} in memory`);
      await store.remove(`training/2/${name}`);
      await expect(run({ ...base, resume: store })).rejects.toThrow(`'training/2/${name}' is not in memory.`);
    }),
  );
});
