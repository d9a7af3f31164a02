import * as tf from '@tensorflow/tfjs';
import { afterAll, describe, expect, test } from 'vitest';
import { UsageError } from '../../../src/core/errors';
import { Random } from '../../../src/core/random';
import { ConvEncoder } from '../../../src/encoders/convEncoder';
import { memoryStore } from '../../../src/io/stores';
import { TaskHeads } from '../../../src/models/taskHeads';
import { distillation } from '../../../src/training/distillation';
import type { Objective } from '../../../src/training/objective';
import { type MultiTaskOptions, multiTask } from '../../../src/training/objectives/multiTask';
import { adamW } from '../../../src/training/optimizers';
import { constant } from '../../../src/training/schedules';
import { selfCritical } from '../../../src/training/selfCritical';
import { type TrainOptions, type TrainStep, train } from '../../../src/training/train';
import { TransformerCaptioner } from '../../../src/transformerCaptioner';
import { expectClose, expectNoLeak } from '../../helpers';
import { tinyData, tinyTokenizer } from '../tiny';

await tf.setBackend('cpu');

const encoder = new ConvEncoder({ type: 'conv', imageSize: 8, channels: [4, 5] }, new Random(1));
afterAll(() => encoder.dispose());
const make = (dropout = 0, seen = encoder) => {
  const sizes = { hiddenSize: 12, numHeads: 2, numLayers: 1, encoderLayers: 0, maxPositions: 12 };
  const captioner = TransformerCaptioner.create({
    ...{ encoder: seen, tokenizer: tinyTokenizer, dropout, seed: 3 },
    ...sizes,
  });
  const heads = TaskHeads.create(captioner, { tasks: ['mlm', 'itm', 'itc'], projectionSize: 6, seed: 4 });
  return {
    captioner,
    heads,
    dispose: () => {
      heads.dispose();
      captioner.dispose();
    },
  };
};
type Made = ReturnType<typeof make>;

async function run(
  { captioner }: Made,
  objective: Objective | undefined,
  options: TrainOptions = {},
  look?: (step: TrainStep) => unknown,
) {
  const optimizer = adamW(options.fineTune ? 3e-3 : 1e-2);
  const all = { batchSize: 5, epochs: 1, captionsPerImage: 2, schedule: constant(), doublyStochastic: 0, seed: 6 };
  const steps: TrainStep[] = [];
  try {
    for await (const step of train(captioner, tinyData, {
      ...all,
      optimizer,
      ...(objective && { objective }),
      ...options,
    })) {
      steps.push(step);
      await look?.(step);
    }
  } finally {
    optimizer.dispose();
  }
  return steps;
}

const everything = { caption: 1, mlm: 0.5, itm: 2, itc: 0.25 };

describe('the sum', () => {
  test('is that of the losses, each by its weight', async () => {
    const lossOf = async (weights: MultiTaskOptions['weights']) => {
      const made = make();
      const [step] = await run(made, multiTask({ heads: made.heads, weights, negatives: 'hard' }));
      made.dispose();
      return step!;
    };
    const whole = await lossOf(everything);
    const parts = await Promise.all([
      lossOf({ caption: 1 }),
      lossOf({ mlm: 1 }),
      lossOf({ itm: 1 }),
      lossOf({ itc: 1 }),
    ]);
    const [caption, mlm, itm, itc] = parts.map(({ loss }) => loss);
    expectClose([whole.loss], [caption! + 0.5 * mlm! + 2 * itm! + 0.25 * itc!], 1e-5);
    expect(Object.keys(whole.figures).sort()).toEqual(['itc', 'itm', 'mlm']);
    expectClose([whole.figures.mlm!, whole.figures.itm!, whole.figures.itc!], [mlm!, itm!, itc!], 1e-5);
  });

  test('of captions alone is what is learned without an objective', async () => {
    const [one, other] = [make(0.2), make(0.2)];
    const [plain] = await run(one, undefined);
    const [named] = await run(other, multiTask({ heads: other.heads, weights: { caption: 1 } }));
    expect(named!.loss).toBe(plain!.loss);
    expect(named!.figures).toEqual({});
    one.dispose();
    other.dispose();
  });

  test('may have another objective for the captions', async () => {
    const made = make();
    const caption = distillation({ teachers: [made.captioner] });
    const [taught] = await run(made, caption);
    made.dispose();
    const again = make();
    const both = multiTask({
      heads: again.heads,
      weights: { caption: 0.5, mlm: 1 },
      caption: distillation({ teachers: [again.captioner] }),
    });
    const [step] = await run(again, both);
    expectClose([step!.loss - step!.figures.mlm!], [0.5 * taught!.loss], 1e-5);
    again.dispose();
  });
});

// Of pairs two thirds do not fit: who knows nothing has a loss of 0.637.
test.each([
  ['hidden words are guessed', 'mlm', 40, 2.75],
  ['texts are found', 'itc', 40, 1.2],
  ['pairs are told apart', 'itm', 80, 0.54],
] as const)('%s after some steps', (_, task, epochs, least) =>
  expectNoLeak(async () => {
    const own = new ConvEncoder({ type: 'conv', imageSize: 8, channels: [4, 5] }, new Random(1));
    const made = make(0, own);
    const objective = multiTask({ heads: made.heads, weights: { [task]: 1 }, maskShare: 0.3 });
    const tuned = task === 'itm' && { fineTune: { fromEpoch: 1, learningRate: 3e-3 } };
    const steps = await run(made, objective, { epochs, ...tuned });
    if (task !== 'itm') expect(steps[0]!.figures[task]).toBeGreaterThan(1.1 * least);
    const last = steps.slice(-10).map(({ figures }) => figures[task]!);
    expect(last.reduce((sum, value) => sum + value, 0) / 10).toBeLessThan(least);
    made.dispose();
    own.dispose();
  }),
);

test('a run that goes on from a snapshot, heads and all, does what the whole one does', async () => {
  const options = { weights: everything, maskShare: 0.3 };
  const [whole, begun, rest] = [make(0.1), make(0.1), make(0.1)];
  const objectiveOf = ({ heads }: Made) => multiTask({ heads, ...options });
  const losses = (await run(whole, objectiveOf(whole), { epochs: 4 })).map(({ loss }) => loss);
  const store = memoryStore();
  const first: number[] = [];
  await run(begun, objectiveOf(begun), { epochs: 4 }, async (step) => {
    first.push(step.loss);
    if (step.step === 2) await step.snapshot(store);
    if (step.step === 2) throw new Error('enough');
  }).catch((error) => expect(error.message).toBe('enough'));
  const second = await run(rest, objectiveOf(rest), { epochs: 4, resume: store });
  expectClose([...first, ...second.map(({ loss }) => loss)], losses, 1e-5);
  const other = multiTask({ heads: rest.heads, ...options, weights: { ...everything, itm: 1 } });
  await expect(run(rest, other, { resume: store })).rejects.toThrow(/objective was caption:1\+mlm:0.5\+itm:2/);
  for (const made of [whole, begun, rest]) made.dispose();
});

test('the encoder learns from tasks too, and a single picture has no negatives', () =>
  expectNoLeak(async () => {
    const made = make();
    const before = [...made.captioner.parameters()].filter(([name]) => name.startsWith('encoder'));
    const values = before.map(([, value]) => [...value.dataSync()]);
    const objective = multiTask({ heads: made.heads, weights: { itm: 1, itc: 1 } });
    const tuned = { fineTune: { fromEpoch: 1, learningRate: 1e-2 } };
    const steps = await run(made, objective, { ...tuned, batchSize: 4 }); // 4 pictures and 1
    expect(steps).toHaveLength(2);
    expect(before.map(([, value]) => [...value.dataSync()])).not.toEqual(values);
    for (const [i, [, value]] of before.entries()) {
      const back = tf.tensor(values[i]!, value.shape);
      value.assign(back);
      back.dispose();
    }
    made.dispose();
  }));

test.each([
  ['nothing to learn', {}, {}, /names none of caption, mlm, itm, itc/],
  ['a weight of nothing', { mlm: 0 }, {}, /weights\.mlm/],
  ['captions without a weight', { mlm: 1 }, { caption: {} as Objective }, /no weight/],
  [
    'captions of its own',
    { caption: 1, mlm: 1 },
    { caption: selfCritical({ reward: () => [] }) },
    /learns from the captioner's own/,
  ],
])('%s is wrong use', (_, weights, more, message) => {
  const made = make();
  const create = () => multiTask({ heads: made.heads, weights, ...more });
  expect(create).toThrow(UsageError);
  expect(create).toThrow(message);
  made.dispose();
});

test('hard negatives need the head that they are drawn by', () => {
  const { captioner, dispose } = make();
  const heads = TaskHeads.create(captioner, { tasks: ['itm'] });
  expect(() => multiTask({ heads, weights: { itm: 1 }, negatives: 'hard' })).toThrow(/no head for itc/);
  expect(() => multiTask({ heads, weights: { mlm: 1 } })).toThrow(/no head for mlm/);
  heads.dispose();
  dispose();
});
