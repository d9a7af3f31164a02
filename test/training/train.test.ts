import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { askedForCpu } from '../../src/backends/warnIfPlainCpu';
import type { Captioner } from '../../src/captioner';
import { DataError, UsageError } from '../../src/core/errors';
import { datasetOf } from '../../src/data/dataset';
import type { Dataset } from '../../src/data/types';
import { memoryStore } from '../../src/io/stores';
import { adamW, type Optimizer } from '../../src/training/optimizers';
import { constant } from '../../src/training/schedules';
import { type TrainOptions, type TrainStep, train } from '../../src/training/train';
import { expectClose, expectNoLeak } from '../helpers';
import { dispose, tinyCaptioner, tinyData, tinyPicture, tinyRecords, weightsOf } from './tiny';

await tf.setBackend('cpu');
askedForCpu();

type Step = Omit<TrainStep, 'snapshot'>;

/** Trains to the end, or for some steps. */
async function run(captioner: Captioner, data: Dataset, options: TrainOptions, steps = Infinity): Promise<Step[]> {
  const done: Step[] = [];
  for await (const { snapshot: _, ...step } of train(captioner, data, options)) {
    done.push(step);
    if (done.length === steps) break;
  }
  return done;
}

/** A captioner to use, released afterwards; nothing else may be left. */
async function withCaptioner(
  use: (captioner: ReturnType<typeof tinyCaptioner>, optimizer: Optimizer) => Promise<void>,
  options: Parameters<typeof tinyCaptioner>[0] = {},
): Promise<void> {
  await expectNoLeak(async () => {
    const captioner = tinyCaptioner(options);
    const optimizer = adamW(0.01);
    try {
      await use(captioner, optimizer);
    } finally {
      optimizer.dispose();
      dispose(captioner);
    }
  });
}

/** The tiny data set, which writes down what is asked of it. */
const watching = (asked: number[]): Dataset => ({
  ...tinyData,
  at(index) {
    asked.push(index);
    return tinyData.at(index);
  },
});

const small = { batchSize: 2, captionsPerImage: 2, epochs: 2 } as const;

describe('steps', () => {
  test('are counted, and every picture comes once per epoch, in an order of the seed', () =>
    withCaptioner(async (captioner, optimizer) => {
      const asked: number[] = [];
      const watched = watching(asked);
      const steps = await run(captioner, watched, { ...small, optimizer, schedule: constant({ warmup: 1 }), seed: 3 });
      expect(steps.map(({ epoch, step, lastOfEpoch, captions }) => [epoch, step, lastOfEpoch, captions])).toEqual([
        [1, 1, false, 4],
        [1, 2, false, 4],
        [1, 3, true, 2],
        [2, 4, false, 4],
        [2, 5, false, 4],
        [2, 6, true, 2],
      ]);
      expect(steps.every(({ totalSteps }) => totalSteps === 6)).toBe(true);
      expectClose(
        steps.map(({ learningRate }) => learningRate),
        [0.005, 0.01, 0.01, 0.01, 0.01, 0.01],
        1e-12,
      );
      const [first, second] = [asked.slice(0, 5), asked.slice(5)];
      expect([...first].sort()).toEqual([0, 1, 2, 3, 4]);
      expect([...second].sort()).toEqual([0, 1, 2, 3, 4]);
      expect(second).not.toEqual(first);
    }));

  test('learn: a few pictures are known by heart', () =>
    withCaptioner(
      async (captioner) => {
        const optimizer = adamW(0.03);
        const one = datasetOf(
          tinyRecords.map((record) => ({ ...record, captions: record.captions.slice(0, 1) })),
          async ({ id }) => tinyPicture(Number.parseInt(id, 10)),
        );
        const fineTune = { fromEpoch: 1, learningRate: 0.01 };
        const steps = await run(captioner, one, { optimizer, epochs: 80, batchSize: 5, captionsPerImage: 1, fineTune });
        optimizer.dispose();
        expect(steps[0]!.crossEntropy).toBeCloseTo(Math.log(captioner.tokenizer.vocabSize), 0);
        expect(steps.at(-1)!.crossEntropy).toBeLessThan(0.2);
        expect(
          (await captioner.caption(await Promise.all(tinyRecords.map(async (_, i) => tinyPicture(i))))).map(
            ({ text }) => text,
          ),
        ).toEqual(tinyRecords.map(({ captions }) => captions[0]));
      },
      { dropout: 0, hiddenSize: 16, embeddingSize: 8 },
    ));

  test('follow from the seed alone', async () => {
    const losses = await Promise.all(
      [4, 4, 5].map(async (seed) => {
        const captioner = tinyCaptioner();
        const steps = await run(captioner, tinyData, { ...small, seed });
        dispose(captioner);
        return steps.map(({ loss }) => loss);
      }),
    );
    expect(losses[1]).toEqual(losses[0]);
    expect(losses[2]).not.toEqual(losses[0]);
  });

  test('add the doubly stochastic term to the cross-entropy, by its weight', () =>
    withCaptioner(async (captioner) => {
      const first = async (doublyStochastic: number) => {
        const [step] = await run(captioner, tinyData, { ...small, doublyStochastic }, 1);
        return step!;
      };
      const before = weightsOf(captioner);
      const term = async (weight: number) => {
        for (const [name, variable] of captioner.parameters())
          tf.tidy(() => variable.assign(tf.tensor(before[name]!, variable.shape)));
        const { loss, crossEntropy } = await first(weight);
        return loss - crossEntropy;
      };
      expect(await term(0)).toBe(0);
      const one = await term(1);
      expect(one).toBeGreaterThan(0);
      expect(await term(2.5)).toBeCloseTo(2.5 * one, 5);
    }));

  test('average accumulated batches: two of two pictures are one of four', async () => {
    // Captions of one length, so that the mean over words is the mean over batches.
    const even = datasetOf(
      ['a red dog', 'a red ball', 'the cat sits', 'two children play'].map((caption, i) => ({
        id: `${i}.png`,
        captions: [caption],
        split: 'train' as const,
      })),
      async ({ id }) => tinyPicture(Number.parseInt(id, 10)),
    );
    const [apart, together] = [tinyCaptioner({ dropout: 0 }), tinyCaptioner({ dropout: 0 })];
    const common = { epochs: 1, captionsPerImage: 1, clip: false } as const;
    const [a] = await run(apart, even, { ...common, batchSize: 2, accumulate: 2, optimizer: tf.train.sgd(0.5) });
    const [b] = await run(together, even, { ...common, batchSize: 4, optimizer: tf.train.sgd(0.5) });
    expect([a!.step, a!.totalSteps, a!.captions]).toEqual([1, 1, 4]);
    expect(a!.loss).toBeCloseTo(b!.loss, 5);
    expect(a!.crossEntropy).toBeCloseTo(b!.crossEntropy, 5);
    const [wa, wb] = [weightsOf(apart), weightsOf(together)];
    for (const name of Object.keys(wa)) expectClose(wa[name]!, wb[name]!, 1e-6);
    dispose(apart);
    dispose(together);
  });

  test('a picture with more captions gives another choice in every epoch, one with fewer repeats them', () =>
    withCaptioner(async (captioner) => {
      const seen: string[] = [];
      const { tokenizer } = captioner;
      const listening: Captioner = Object.assign(Object.create(captioner), {
        tokenizer: Object.assign(Object.create(tokenizer), {
          encode(caption: string) {
            seen.push(caption);
            return tokenizer.encode(caption);
          },
        }),
      });
      const one = datasetOf([tinyRecords[0]!], async () => tinyPicture(0));
      await run(listening, one, { batchSize: 1, captionsPerImage: 1, epochs: 12 });
      expect(new Set(seen)).toEqual(new Set(tinyRecords[0]!.captions));
      seen.length = 0;
      await run(listening, one, { batchSize: 1, captionsPerImage: 5, epochs: 1 });
      const [a, b, c] = tinyRecords[0]!.captions as [string, string, string];
      expect(seen).toEqual([a, b, c, a, b]);
    }));
});

describe('the encoder', () => {
  const encoderOf = (weights: Record<string, Float32Array>) =>
    Object.fromEntries(Object.entries(weights).filter(([name]) => name.startsWith('encoder.')));

  test('stays as it is while it is frozen, weight decay included', () =>
    withCaptioner(async (captioner, optimizer) => {
      const before = weightsOf(captioner);
      await run(captioner, tinyData, { ...small, optimizer });
      const after = weightsOf(captioner);
      expect(encoderOf(after)).toEqual(encoderOf(before));
      for (const name of Object.keys(before).filter((name) => name.startsWith('decoder.')))
        expect(after[name], name).not.toEqual(before[name]);
    }));

  test('is trained from the chosen epoch on, at its own rate', () =>
    withCaptioner(async (captioner, optimizer) => {
      const before = weightsOf(captioner);
      const fineTune = { fromEpoch: 2, learningRate: 1e-3 };
      const schedule = constant();
      for await (const { epoch, lastOfEpoch } of train(captioner, tinyData, {
        ...small,
        optimizer,
        fineTune,
        schedule,
      })) {
        const after = weightsOf(captioner);
        if (epoch === 1 && lastOfEpoch) expect(encoderOf(after)).toEqual(encoderOf(before));
        if (epoch === 1) continue;
        for (const name of Object.keys(encoderOf(before))) {
          const moves = after[name]!.map((value, i) => Math.abs(value - before[name]![i]!));
          const largest = Math.max(...moves);
          // Adam's first step moves every number that has a gradient by about its rate (and decay a hundredth of that).
          expect(largest, name).toBeGreaterThan(0.9e-3);
          expect(largest, name).toBeLessThan(1.1e-3);
        }
        break;
      }
    }));
});

describe('tfjs optimizers', () => {
  test.each([
    ['adam', () => tf.train.adam(0.03)],
    ['sgd', () => tf.train.sgd(2)],
  ])('%s is accepted and learns', (_, make) =>
    withCaptioner(
      async (captioner) => {
        const before = weightsOf(captioner);
        const optimizer = make();
        const steps = await run(captioner, tinyData, { optimizer, epochs: 15, batchSize: 5, captionsPerImage: 3 });
        expect(steps.at(-1)!.crossEntropy).toBeLessThan(0.92 * steps[0]!.crossEntropy);
        expect(steps[0]!.learningRate).toBe(steps.at(-1)!.learningRate);
        expect(weightsOf(captioner)['encoder.0.weight']).toEqual(before['encoder.0.weight']);
        optimizer.dispose();
      },
      { dropout: 0 },
    ),
  );

  test('cannot follow a schedule or tune the encoder, and say so', async () => {
    const captioner = tinyCaptioner();
    for (const options of [{ schedule: constant() }, { fineTune: { fromEpoch: 1, learningRate: 1e-4 } }])
      await expect(run(captioner, tinyData, { ...options, optimizer: tf.train.adam(0.01) })).rejects.toThrow(
        'A tfjs optimizer has one fixed rate: schedule and fineTune need adamW(rate) or adam(rate).',
      );
    dispose(captioner);
  });
});

describe('what goes wrong', () => {
  const wrong: [TrainOptions, RegExp][] = [
    [{ epochs: 0 }, /^epochs is 0 but should be a whole number of at least 1/],
    [{ batchSize: 1.5 }, /^batchSize is 1.5/],
    [{ captionsPerImage: -1 }, /^captionsPerImage is -1/],
    [{ maxLength: 0 }, /^maxLength is 0/],
    [{ accumulate: Number.NaN }, /^accumulate is NaN/],
    [{ labelSmoothing: 1 }, /^labelSmoothing is 1 but should be within 0 and 1/],
    [{ labelSmoothing: -0.1 }, /^labelSmoothing is -0.1/],
    [{ doublyStochastic: -1 }, /^doublyStochastic is -1/],
    [{ clip: { norm: 0 } }, /^clip.norm is 0 but should be a number above 0/],
    [{ clip: { value: Number.NaN } }, /^clip.value is NaN/],
    [{ fineTune: { fromEpoch: 0, learningRate: 1e-4 } }, /^fineTune.fromEpoch is 0/],
    [{ fineTune: { fromEpoch: 1, learningRate: 0 } }, /^fineTune.learningRate is 0/],
  ];
  test.each(wrong)('%o is refused before work starts', (options, message) =>
    withCaptioner(async (captioner) => {
      const opened: number[] = [];
      const refused = run(captioner, watching(opened), options);
      await expect(refused).rejects.toThrow(UsageError);
      await expect(refused).rejects.toThrow(message);
      expect(opened).toEqual([]);
    }),
  );

  test('nothing to train on', () =>
    withCaptioner(async (captioner) => {
      const empty = datasetOf([], async () => tinyPicture(0));
      await expect(run(captioner, empty, small)).rejects.toThrow('There is no example to train on.');
    }));

  test('an example without captions', () =>
    withCaptioner(async (captioner, optimizer) => {
      const silent = datasetOf([{ id: 'mute.png', captions: [], split: 'train' }], async () => tinyPicture(0));
      await expect(run(captioner, silent, { ...small, optimizer })).rejects.toThrow('Example mute.png has no caption.');
    }));

  test.each([1, 2])('a picture that cannot be read is named, also where it was read ahead (epoch %i)', (fromEpoch) =>
    withCaptioner(async (captioner, optimizer) => {
      const damaged = datasetOf(tinyRecords, async ({ id }) => {
        if (id === '3.png') throw new Error('not a PNG');
        return tinyPicture(Number.parseInt(id, 10));
      });
      const fineTune = { fromEpoch, learningRate: 1e-3 };
      const failed = run(captioner, damaged, { ...small, optimizer, fineTune });
      await expect(failed).rejects.toThrow(DataError);
      await expect(failed).rejects.toThrow('The picture of example 3.png cannot be used: not a PNG');
    }),
  );

  test('a loss that is no number ends the training, and the step is not taken', () =>
    withCaptioner(async (captioner, optimizer) => {
      const bias = captioner.parameters().get('decoder.output.bias')!;
      tf.tidy(() => bias.assign(tf.fill(bias.shape, Number.NaN)));
      const before = weightsOf(captioner);
      const failed = run(captioner, tinyData, { ...small, optimizer });
      await expect(failed).rejects.toThrow(DataError);
      await expect(failed).rejects.toThrow(/^The loss is NaN at step 1 \(epoch 1\).*Lower the learning rate/);
      expect(weightsOf(captioner)).toEqual(before);
    }));

  /** The captioner with something done to the logits of its training pass. */
  const changed = (captioner: Captioner, change: (logits: tf.Tensor2D) => tf.Tensor2D): Captioner => {
    const { decoder } = captioner;
    const teacherForced: typeof decoder.teacherForced = (...given) => {
      const { last: _, ...pass } = decoder.teacherForced(...given);
      return { ...pass, logits: change(pass.logits) };
    };
    return Object.assign(Object.create(captioner), {
      decoder: Object.assign(Object.create(decoder), { teacherForced }),
    });
  };

  test('so do gradients that are no numbers, though the loss is one', () =>
    withCaptioner(async (captioner, optimizer) => {
      const before = weightsOf(captioner);
      const poisoned = changed(
        captioner,
        (logits) =>
          tf.customGrad((x) => ({ value: tf.clone(x as tf.Tensor2D), gradFunc: (dy) => tf.mul(dy, Number.NaN) }))(
            logits,
          ) as tf.Tensor2D,
      );
      const failed = run(poisoned, tinyData, { ...small, optimizer });
      await expect(failed).rejects.toThrow('The norm of the gradients is NaN at step 1 (epoch 1).');
      expect(weightsOf(captioner)).toEqual(before);
    }));

  test.each([1, 2])('an error inside of a step leaves nothing behind (encoder trained from epoch %i)', (fromEpoch) =>
    withCaptioner(async (captioner, optimizer) => {
      const fineTune = { fromEpoch, learningRate: 1e-3 };
      const forward = changed(captioner, () => {
        throw new Error('forward');
      });
      await expect(run(forward, tinyData, { ...small, optimizer, fineTune })).rejects.toThrow('forward');
      const backward = changed(
        captioner,
        (logits) =>
          tf.customGrad((x) => ({
            value: tf.clone(x as tf.Tensor2D),
            gradFunc: (): tf.Tensor => {
              throw new Error('backward');
            },
          }))(logits) as tf.Tensor2D,
      );
      await expect(run(backward, tinyData, { ...small, optimizer, fineTune })).rejects.toThrow('backward');
    }),
  );
});

describe('stopping', () => {
  test('by a signal ends before the next step, with the reason given', () =>
    withCaptioner(async (captioner, optimizer) => {
      const controller = new AbortController();
      const done: number[] = [];
      const stopped = (async () => {
        for await (const { step } of train(captioner, tinyData, { ...small, optimizer, signal: controller.signal })) {
          done.push(step);
          if (step === 2) controller.abort(new Error('enough'));
        }
      })();
      await expect(stopped).rejects.toThrow('enough');
      expect(done).toEqual([1, 2]);
    }));

  test('a signal that was given already lets nothing begin', () =>
    withCaptioner(async (captioner) => {
      await expect(run(captioner, tinyData, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
    }));

  test.each([1, 2])('by leaving the loop after step %i leaves no tensors, batches read ahead included', (steps) =>
    withCaptioner(async (captioner, optimizer) => {
      const fineTune = { fromEpoch: 1, learningRate: 1e-3 };
      for (const tuned of [{}, { fineTune }])
        expect(await run(captioner, tinyData, { ...small, ...tuned, optimizer }, steps)).toHaveLength(steps);
      // A picture read ahead that fails when nobody waits for it any more is no unhandled rejection.
      let opened = 0;
      const failing = datasetOf(tinyRecords, async () => {
        if (opened++ >= 2 * steps) throw new Error('late');
        return tinyPicture(0);
      });
      await run(captioner, failing, { ...small, optimizer, fineTune }, steps);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }),
  );

  test('what train made itself, it releases itself', () =>
    withCaptioner(async (captioner) => {
      await run(captioner, tinyData, small);
      await run(captioner, tinyData, small, 1);
    }));

  test('a snapshot leaves no tensors', () =>
    withCaptioner(async (captioner, optimizer) => {
      for await (const { snapshot } of train(captioner, tinyData, { ...small, optimizer })) {
        const before = tf.memory().numTensors;
        await snapshot(memoryStore());
        expect(tf.memory().numTensors).toBe(before);
      }
    }));
});
