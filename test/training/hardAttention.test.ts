import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { askedForCpu } from '../../src/backends/warnIfPlainCpu';
import { UsageError } from '../../src/core/errors';
import { memoryStore } from '../../src/io/stores';
import { hardAttention, lookTerms } from '../../src/training/hardAttention';
import { adamW } from '../../src/training/optimizers';
import { train } from '../../src/training/train';
import { mechanismGolden } from '../attention/golden';
import { expectClose, expectNoLeak } from '../helpers';
import { tensorOf } from './golden';
import { dispose, tinyCaptioner, tinyData, weightsOf } from './tiny';

await tf.setBackend('cpu');
askedForCpu();

test('rewards and entropies of looks, and their gradients, are those of torch.distributions', () =>
  expectNoLeak(() => {
    const { looks } = mechanismGolden;
    tf.tidy(() => {
      for (const term of ['reward', 'entropy'] as const) {
        const of = (scores: tf.Tensor) =>
          lookTerms(
            { weights: tf.softmax(scores as tf.Tensor3D), chosen: tensorOf<tf.Rank.R3>(looks.chosen) },
            tensorOf(looks.mask),
            tensorOf(looks.advantages),
          )[term];
        const scores = tensorOf(looks.scores);
        // float32 sums of at most 60 logarithms of order 1
        expectClose(of(scores), looks[term].value.values, 1e-5);
        expectClose(tf.grad(of)(scores), looks[term].gradient.values, 2e-6);
      }
    });
  }));

/** Steps of a training with hard attention; resumed after `until` where that is given. */
async function run(until?: number) {
  const captioner = tinyCaptioner({ attention: 'hard' });
  const baselines: (number | undefined)[] = [];
  const store = memoryStore();
  let resumed = false;
  for (;;) {
    const [objective, optimizer] = [hardAttention(), adamW(1e-2)];
    const options = { epochs: 3, batchSize: 2, captionsPerImage: 2, objective, optimizer };
    let cut = false;
    for await (const { step, figures, snapshot } of train(captioner, tinyData, {
      ...options,
      ...(resumed && { resume: store }),
    })) {
      baselines.push(figures.baseline);
      expect(figures.entropy).toBeGreaterThan(0);
      if (step !== until || resumed) continue;
      await snapshot(store);
      cut = true;
      break;
    }
    objective.dispose();
    optimizer.dispose();
    if (!cut) break;
    resumed = true;
  }
  const weights = weightsOf(captioner);
  dispose(captioner);
  return { weights, baselines };
}

test('a resumed training is the uninterrupted one, moving average included', () =>
  expectNoLeak(async () => {
    const [whole, cut] = [await run(), await run(4)];
    expect(cut).toEqual(whole);
    expect(whole.baselines[0]).toBeUndefined(); // there is none before the first captions
    expect(whole.baselines.slice(1).every((value) => value! < 0)).toBe(true);
  }));

test('where to look is learned from rewards alone', () =>
  expectNoLeak(async () => {
    const attention = /^decoder\.attention\.query/;
    const change = async (reward: number) => {
      const captioner = tinyCaptioner({ attention: 'hard', dropout: 0 });
      const before = weightsOf(captioner);
      const [objective, optimizer] = [hardAttention({ reward, entropy: 0 }), adamW(1e-2, { weightDecay: 0 })];
      let steps = 0;
      // All the captions of a picture take the mean over positions for half of them: those learn by ordinary gradients.
      for await (const _ of train(captioner, tinyData, { batchSize: 5, captionsPerImage: 3, objective, optimizer }))
        if (++steps === 2) break;
      const after = weightsOf(captioner);
      objective.dispose();
      optimizer.dispose();
      dispose(captioner);
      return Object.keys(after)
        .filter((name) => attention.test(name))
        .map((name) => after[name]!.map((value, i) => value - before[name]![i]!));
    };
    expect(await change(1)).not.toEqual(await change(0));
  }));

test.each([[{ reward: -1 }], [{ entropy: Number.NaN }], [{ decay: 1 }]])('%o cannot be meant', (options) => {
  expect(() => hardAttention(options)).toThrow(UsageError);
});
