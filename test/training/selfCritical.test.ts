import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { AttentionLSTMCaptioner } from '../../src/attentionLSTMCaptioner';
import { askedForCpu } from '../../src/backends/warnIfPlainCpu';
import { UsageError } from '../../src/core/errors';
import { Random } from '../../src/core/random';
import type { Example } from '../../src/data/types';
import { WordTokenizer } from '../../src/data/wordTokenizer';
import { ConvEncoder } from '../../src/encoders/convEncoder';
import { memoryStore } from '../../src/io/stores';
import type { Store } from '../../src/io/types';
import { mean } from '../../src/metrics/metric';
import { captionBatch } from '../../src/training/captionBatch';
import { gradients } from '../../src/training/gradients';
import type { LessonInput } from '../../src/training/objective';
import { adamW } from '../../src/training/optimizers';
import { ciderReward, type Reward, rewardFrequencies } from '../../src/training/rewards';
import { aboveOthers, policyLesson, type SelfCriticalOptions, selfCritical } from '../../src/training/selfCritical';
import { type TrainOptions, train } from '../../src/training/train';
import { expectClose, expectNoLeak } from '../helpers';
import { dispose, tinyCaptioner, tinyData, tinyPicture, weightsOf } from './tiny';

await tf.setBackend('cpu');
askedForCpu();

/** Says `x`, `y` or the end, three tokens at most: 15 captions in all. */
const tokenizer = await WordTokenizer.fromCaptions(['x y'], { minCount: 1 });
const MAX_LENGTH = 3;
const captionsOfTwoWords = (() => {
  const { endId } = tokenizer;
  const words = [tokenizer.encode('x')[0]!, tokenizer.encode('y')[0]!];
  const grow = (prefix: number[]): number[][] => {
    if (prefix.at(-1) === endId || prefix.length === MAX_LENGTH) return [prefix];
    return [...words, endId].flatMap((token) => grow([...prefix, token]));
  };
  return grow([]);
})();

function twoWordCaptioner(): AttentionLSTMCaptioner {
  const encoder = new ConvEncoder({ type: 'conv', imageSize: 8, channels: [4, 5] }, new Random(2).fork('encoder'));
  const sizes = { embeddingSize: 4, hiddenSize: 6, attentionSize: 5, generation: { maxLength: MAX_LENGTH } };
  const captioner = AttentionLSTMCaptioner.create({ encoder, tokenizer, ...sizes, seed: 3 });
  // Far from even: nothing in the test should hold because all captions are about as likely.
  for (const [name, variable] of captioner.parameters())
    tf.tidy(() => {
      if (name.startsWith('decoder.')) variable.assign(tf.mul(variable, 4));
    });
  return captioner;
}

/** Log-probabilities of captions of one picture, by the decoder's steps alone; what is never said has none. */
function logProbsOf(
  captioner: AttentionLSTMCaptioner,
  features: tf.Tensor3D,
  captions: readonly (readonly number[])[],
  temperature: number,
): tf.Tensor1D {
  const { decoder } = captioner;
  const { padId, startId, unknownId, vocabSize } = tokenizer;
  const mask = Float32Array.from({ length: vocabSize }, (_, id) =>
    [padId, startId, unknownId].includes(id) ? -1e9 : 0,
  );
  const memory = decoder.remember(features);
  const sums = captions.map((tokens) => {
    let state = decoder.initialState(memory);
    const parts = tokens.map((token, t) => {
      const step = decoder.step(tf.tensor1d([t === 0 ? startId : tokens[t - 1]!], 'int32'), state, memory);
      state = step.state;
      const logProbs = tf.logSoftmax(tf.add(tf.div(step.logits, temperature), tf.tensor1d(mask)));
      return tf.slice(tf.reshape(logProbs, [vocabSize]), token, 1);
    });
    return tf.addN(parts);
  });
  return tf.concat(sums) as tf.Tensor1D;
}

/** Any numbers, one for each caption. */
const rewardsOf = (captions: readonly (readonly number[])[]) =>
  captions.map((tokens, i) => tokens.length + Math.sin(3 * i));

async function withFeatures(
  use: (captioner: AttentionLSTMCaptioner, features: tf.Tensor3D) => Promise<void> | void,
): Promise<void> {
  await expectNoLeak(async () => {
    const captioner = twoWordCaptioner();
    const features = await captioner.encode([tinyPicture(1)]);
    try {
      await use(captioner, features);
    } finally {
      features.dispose();
      dispose(captioner);
    }
  });
}

describe('the policy gradient', () => {
  test.each([
    { temperature: 1, baseline: 0 },
    { temperature: 1, baseline: 1.7 },
    { temperature: 0.6, baseline: 1.7 },
  ])('over all captions is that of the expected reward: temperature $temperature, baseline $baseline', (setting) =>
    withFeatures((captioner, features) => {
      const { temperature, baseline } = setting;
      const rewards = rewardsOf(captionsOfTwoWords);
      const parameters = captioner.parameters();
      const expected = gradients(() => {
        const probabilities = tf.exp(logProbsOf(captioner, features, captionsOfTwoWords, temperature));
        return tf.neg(tf.sum(tf.mul(probabilities, rewards)));
      }, parameters);
      const chances = tf.tidy(() =>
        Array.from(tf.exp(logProbsOf(captioner, features, captionsOfTwoWords, temperature)).dataSync()),
      );
      expect(chances.reduce((sum, chance) => sum + chance, 0)).toBeCloseTo(1, 5);
      expect(Math.max(...chances)).toBeGreaterThan(2 / captionsOfTwoWords.length);

      // Every caption once, counted as often as it would be drawn.
      const count = captionsOfTwoWords.length;
      const advantages = rewards.map((reward, i) => (reward - baseline) * chances[i]! * count);
      const samples = captionsOfTwoWords.map((tokens) => ({ tokens }));
      const lesson = policyLesson(captioner, samples, advantages, temperature);
      const { rows, time, inputs, wanted, targets } = lesson.captions;
      const found = gradients(() => {
        const pass = captioner.decoder.teacherForced(
          tf.tensor2d(inputs, [rows, time], 'int32'),
          captioner.decoder.remember(features),
          { wanted: tf.tensor1d(wanted, 'int32') },
        );
        return lesson.loss!(pass, tf.tensor1d(targets, 'int32'));
      }, parameters);
      for (const [name, gradient] of expected.grads) expectClose(found.grads.get(name)!, gradient, 2e-5, 1e-3);
      const size = (name: string) => tf.tidy(() => tf.max(tf.abs(expected.grads.get(name)!)).arraySync() as number);
      expect(size('decoder.output.weight')).toBeGreaterThan(0.01);
      tf.dispose([expected.loss, found.loss, ...expected.grads.values(), ...found.grads.values()]);
    }),
  );

  test.each([1, 0.6])('is of captions as likely as they are drawn, temperature %f', (temperature) =>
    withFeatures(async (captioner, features) => {
      const drawn = 3000;
      const { captions } = await selfCritical({
        reward: (all) => all.map(() => 1),
        temperature,
      }).lesson(inputOf(captioner, features, drawn));
      const chances = tf.tidy(() =>
        Array.from(tf.exp(logProbsOf(captioner, features, captionsOfTwoWords, temperature)).dataSync()),
      );
      const counts = new Map<string, number>();
      let at = 0;
      for (let row = 0; row < drawn; row++) {
        let length = 0;
        for (let t = 0; t < captions.time; t++) length += captions.mask[row * captions.time + t]!;
        const key = captions.targets.subarray(at, at + length).join();
        counts.set(key, (counts.get(key) ?? 0) + 1);
        at += length;
      }
      expect(at).toBe(captions.targets.length);
      for (const [i, tokens] of captionsOfTwoWords.entries()) {
        const [share, chance] = [(counts.get(tokens.join()) ?? 0) / drawn, chances[i]!];
        expect(Math.abs(share - chance)).toBeLessThan(4 * Math.sqrt((chance * (1 - chance)) / drawn) + 1e-3);
      }
    }),
  );

  test('takes true captions as they are laid out, but asks for no end where there was none', () =>
    withFeatures((captioner) => {
      const { endId } = tokenizer;
      const [x, y] = [tokenizer.encode('x')[0]!, tokenizer.encode('y')[0]!];
      const { captions } = policyLesson(captioner, [{ tokens: [x, y, endId] }, { tokens: [y, x, x] }], [1, 1]);
      const expected = captionBatch([[x, y], [y, x]], tokenizer); // biome-ignore format: as pairs
      expect({ ...captions, targets: [...captions.targets] }).toEqual({
        ...expected,
        targets: [x, y, endId, y, x, x],
      });
    }));
});

function inputOf(captioner: AttentionLSTMCaptioner, features: tf.Tensor3D, captionsPerImage: number): LessonInput {
  const example = (id: string): Example => ({
    id,
    captions: ['x y', 'y'],
    split: 'train',
    image: async () => tinyPicture(1),
  });
  return {
    captioner,
    features,
    examples: Array.from({ length: features.shape[0] }, (_, i) => example(`${i}`)),
    captions: captionBatch([[]], tokenizer),
    captionsPerImage,
    labelSmoothing: 0,
    random: new Random(11),
    signal: undefined,
  };
}

describe('baselines', () => {
  /** Rewards captions by their length, and writes down how many came at a time. */
  const counting =
    (counts: number[]): Reward =>
    (captions) => {
      counts.push(captions.length);
      return captions.map(({ tokens }) => tokens.length);
    };

  test('the mean of the others', () => {
    expect(aboveOthers([1, 2, 6])).toEqual([1 - 4, 2 - 3.5, 6 - 1.5]);
  });

  test.each([
    ['others', 4],
    ['greedy', 5],
    [{ beamSize: 2 }, 5],
  ] as const)('%j', (baseline, count) =>
    withFeatures(async (captioner, features) => {
      const counts: number[] = [];
      const objective = selfCritical({ reward: counting(counts), baseline });
      const { figures } = await objective.lesson(inputOf(captioner, features, 4));
      expect(counts).toEqual([count]);
      if (baseline === 'others') expect(figures!.baseline).toBeCloseTo(figures!.reward!, 12);
      else expect(Number.isInteger(figures!.baseline)).toBe(true);
      expect(objective.settings.baseline).toBe(typeof baseline === 'string' ? baseline : 'beam 2');
    }),
  );
});

const frequencies = await rewardFrequencies(tinyData);

async function run(
  plan: TrainOptions & { critical?: Partial<SelfCriticalOptions>; rate?: number },
  { seed = 1, saved }: { seed?: number; saved?: { step: number; store: Store } } = {},
) {
  const { critical, rate = 0.01, ...options } = plan;
  const captioner = tinyCaptioner({ seed });
  const optimizer = adamW(rate);
  const steps: { loss: number; reward: number }[] = [];
  try {
    const objective = selfCritical({ reward: ciderReward(frequencies), ...critical });
    for await (const step of train(captioner, tinyData, { objective, ...options, optimizer })) {
      steps.push({ loss: step.loss, reward: step.figures.reward! });
      if (step.step === saved?.step) await step.snapshot(saved.store);
    }
    return { steps, weights: weightsOf(captioner) };
  } finally {
    optimizer.dispose();
    dispose(captioner);
  }
}

const base = { batchSize: 2, captionsPerImage: 3, epochs: 2, seed: 5 } as const; // 3 steps per epoch, 6 in all

describe('training', () => {
  test.each([
    ['with the others as baseline', base, 2],
    ['with a greedy baseline', { ...base, critical: { baseline: 'greedy' } }, 3],
    ['with accumulated gradients', { ...base, accumulate: 2, epochs: 3 }, 3],
    ['while the encoder is trained', { ...base, fineTune: { fromEpoch: 2, learningRate: 1e-3 } }, 4],
  ] as [string, Parameters<typeof run>[0], number][])(
    'resumed %s is the uninterrupted one, bit for bit',
    (_, plan, step) =>
      expectNoLeak(async () => {
        const store = memoryStore();
        const whole = await run(plan, { saved: { step, store } });
        expect(whole.steps).toHaveLength(6);
        const rest = await run({ ...plan, resume: store }, { seed: 99 });
        expect(rest).toEqual({ steps: whole.steps.slice(step), weights: whole.weights });
      }),
  );

  test('raises the reward', async () => {
    const dogs: Reward = (captions) => captions.map(({ tokens }) => tokens.filter((word) => word === 'dog').length);
    const { steps } = await run({
      ...base,
      batchSize: 5,
      captionsPerImage: 8,
      epochs: 30,
      rate: 0.1,
      critical: { reward: dogs },
    });
    const rewards = steps.map(({ reward }) => reward);
    expect(mean(rewards.slice(0, 3))).toBeLessThan(0.6);
    expect(mean(rewards.slice(-3))).toBeGreaterThan(2);
  });

  test('has no dropout: what is learned is the captioner that made the samples', async () => {
    const losses = await Promise.all(
      [0, 0.5].map(async (dropout) => {
        const captioner = tinyCaptioner({ dropout });
        const objective = selfCritical({ reward: ciderReward(frequencies) });
        const { value } = await train(captioner, tinyData, { ...base, objective }).next();
        dispose(captioner);
        return value!.loss;
      }),
    );
    expect(losses[1]).toBe(losses[0]);
  });

  test('does not go on with another objective, temperature or baseline', async () => {
    const store = memoryStore();
    await run(base, { saved: { step: 2, store } });
    await expect(run({ ...base, resume: store, critical: { baseline: 'greedy', temperature: 0.5 } })).rejects.toThrow(
      /baseline was others and is greedy; temperature was 1 and is 0.5/,
    );
    const captioner = tinyCaptioner();
    const optimizer = adamW(0.01);
    await expect(train(captioner, tinyData, { ...base, resume: store, optimizer }).next()).rejects.toThrow(
      /objective was self-critical and is undefined/,
    );
    optimizer.dispose();
    dispose(captioner);
  });

  test.each([
    ['label smoothing', { labelSmoothing: 0.1 }, /labelSmoothing belongs to learning from true captions/],
    ['a maximum of words', { maxLength: 9 }, /maxLength belongs to/],
    ['scheduled sampling', { scheduledSampling: () => 0.1 }, /scheduledSampling belongs to/],
    ['one sample and its others', { captionsPerImage: 1 }, /no others to compare it with/],
    ['a temperature of 0', { critical: { temperature: 0 } }, /temperature is 0/],
    ['a reward for too few', { critical: { reward: () => [1] } }, /finite number for each of 3 captions but gave 1/],
    ['a reward that is no number', { critical: { reward: () => [1, 2, Number.NaN] } }, /but gave 1, 2, NaN/],
    ['a beam of none', { critical: { baseline: { beamSize: 0 } } }, /baseline.beamSize is 0/],
  ] as [string, Parameters<typeof run>[0], RegExp][])('refuses %s', (_, plan, message) =>
    expectNoLeak(async () => {
      const failed = run({ ...base, ...plan });
      await expect(failed).rejects.toThrow(UsageError);
      await expect(failed).rejects.toThrow(message);
    }),
  );
});
