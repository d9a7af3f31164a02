import { writeFile } from 'node:fs/promises';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AttentionLSTMCaptioner } from '../../../src/attentionLSTMCaptioner';
import { askedForCpu } from '../../../src/backends/warnIfPlainCpu';
import type { Captioner } from '../../../src/captioner';
import { UsageError } from '../../../src/core/errors';
import { Random } from '../../../src/core/random';
import { ConvEncoder } from '../../../src/encoders/convEncoder';
import { ConvNetwork } from '../../../src/encoders/convNetwork';
import { mobile } from '../../../src/encoders/mobile';
import type { Encoder } from '../../../src/encoders/types';
import { LSTMCaptioner } from '../../../src/lstmCaptioner';
import { type DataParallel, dataParallel } from '../../../src/node/parallel/dataParallel';
import { freeze } from '../../../src/training/freeze';
import type { Gradients } from '../../../src/training/gradients';
import type { Optimizer } from '../../../src/training/optimizers';
import { selfCritical } from '../../../src/training/selfCritical';
import { type TrainOptions, train } from '../../../src/training/train';
import { TransformerCaptioner } from '../../../src/transformerCaptioner';
import { expectClose, expectNoLeak } from '../../helpers';
import { tinyCaptioner, tinyData, tinyTokenizer } from '../../training/tiny';
import { useThreadFile } from '../threadFile';

await tf.setBackend('cpu');
askedForCpu();

const threadFile = useThreadFile('parallel/trainingThread.ts');

type Made = Captioner & { parameters(): Map<string, tf.Variable>; dispose(): void };

/** A captioner of every kind, on an encoder of 2 x 2 positions. */
const kinds: Record<string, () => Made> = {
  'attention-lstm': () => tinyCaptioner({ numLayers: 2 }),
  'attention-lstm without a pass by hand': () => tinyCaptioner({ attention: 'scaled-dot', numLayers: 2 }),
  lstm: () => LSTMCaptioner.create({ ...common(), embeddingSize: 4, hiddenSize: 7, numLayers: 2 }),
  transformer: () => TransformerCaptioner.create({ ...common(), hiddenSize: 8, numLayers: 2, numHeads: 2 }),
  'on a network of stages': () => {
    const config = {
      type: 'efficientnet-lite0',
      names: 'timm',
      tensorflow: true,
      imageSize: [16, 16],
      stage: 1,
    } as const;
    const encoder = new ConvNetwork(mobile(config), new Random(3));
    return AttentionLSTMCaptioner.create({ ...common(encoder), embeddingSize: 4, hiddenSize: 7, attentionSize: 6 });
  },
};

const plainEncoder = () => new ConvEncoder({ type: 'conv', imageSize: 8, channels: [4, 5] }, new Random(2));
const common = (encoder: Encoder = plainEncoder()) => ({ encoder, tokenizer: tinyTokenizer, dropout: 0.3, seed: 1 });

function release(captioner: Made): void {
  captioner.dispose();
  captioner.encoder.dispose();
}

type Watched = { optimizer: Optimizer; seen: Record<string, Float32Array>[] };

/** Plain gradient descent, which writes every gradient down. */
function watched(): Watched {
  const seen: Watched['seen'] = [];
  return {
    seen,
    optimizer: {
      learningRate: 0.1,
      apply(parameters, grads: Gradients, scale) {
        seen.push(
          Object.fromEntries([...grads].map(([name, gradient]) => [name, gradient.dataSync<'float32'>().slice()])),
        );
        tf.tidy(() => {
          for (const [name, gradient] of grads)
            parameters.get(name)!.assign(tf.sub(parameters.get(name)!, tf.mul(gradient, 0.1 * scale(name))));
        });
      },
      state: async () => new Map(),
      restore: async () => {},
      dispose: () => {},
    },
  };
}

/** Losses and gradients of some steps. */
async function learned(make: () => Made, options: TrainOptions, steps = 3) {
  return expectNoLeak(async () => {
    const captioner = make();
    const { optimizer, seen } = watched();
    const losses: number[] = [];
    try {
      for await (const { loss, crossEntropy, captions } of train(captioner, tinyData, { ...options, optimizer })) {
        losses.push(loss, crossEntropy, captions);
        if (seen.length === steps) break;
      }
    } finally {
      release(captioner);
    }
    return { losses, seen };
  });
}

const base: TrainOptions = { batchSize: 4, captionsPerImage: 3, epochs: 2, seed: 3 };

describe('workers learn what one large batch teaches', () => {
  let parallel: DataParallel;
  beforeAll(() => {
    parallel = dataParallel({ workers: 3, backend: 'cpu', file: threadFile.file });
  });
  afterAll(() => parallel.close());

  const cases: [string, keyof typeof kinds, TrainOptions][] = [
    ['captions of features, with dropout', 'attention-lstm', {}],
    ['step by step', 'attention-lstm without a pass by hand', {}],
    ['without attention', 'lstm', {}],
    ['values dropped at all words alike', 'attention-lstm', { lockedDropout: true }],
    ['a transformer', 'transformer', { doublyStochastic: 0 }],
    [
      'smoothed labels, own words and dropped ones',
      'attention-lstm',
      { labelSmoothing: 0.1, scheduledSampling: () => 0.5, wordDropout: 0.2 },
    ],
    ['mixed features, batches summed', 'attention-lstm', { mixup: 0.5, accumulate: 2 }],
    [
      'a part of the encoder too',
      'on a network of stages',
      { fineTune: { fromEpoch: 1, learningRate: 0.05, afterStage: 0 } },
    ],
    ['the encoder too, from the second epoch on', 'attention-lstm', { fineTune: { fromEpoch: 2, learningRate: 0.05 } }],
  ];

  test.each(cases)('%s (%s)', async (_, kind, options) => {
    const together = { ...base, ...options };
    const steps = kind === 'on a network of stages' ? 1 : 3; // it is slow on cpu
    const whole = await learned(kinds[kind]!, together, steps);
    const shared = await learned(kinds[kind]!, { ...together, parallel }, steps);
    // The same numbers of float32 added in another order; three steps of descent carry that on.
    expectClose(shared.losses, whole.losses, 1e-6, 1e-6);
    expect(shared.seen.map((each) => Object.keys(each))).toEqual(whole.seen.map((each) => Object.keys(each)));
    for (const [step, gradients] of whole.seen.entries())
      for (const [name, gradient] of Object.entries(gradients))
        expectClose(shared.seen[step]![name]!, gradient, 1e-6, 1e-5);
  });

  test('parameters that are frozen and released between steps are those of this thread', async () => {
    const outcomes = [];
    for (const way of [{}, { parallel }])
      outcomes.push(
        await expectNoLeak(async () => {
          const captioner = tinyCaptioner();
          const { optimizer, seen } = watched();
          const steps = train(captioner, tinyData, { ...base, ...way, optimizer });
          await steps.next();
          const frozen = freeze(captioner.parameters(), /embedding/);
          await steps.next();
          frozen.release();
          const { embedding } = captioner.decoder.params;
          tf.tidy(() => void (embedding as tf.Variable<tf.Rank.R2>).assign(tf.neg(embedding)));
          await steps.next();
          await steps.return();
          release(captioner);
          return seen;
        }),
      );
    const [whole, shared] = outcomes as [Watched['seen'], Watched['seen']];
    expect(Object.keys(shared[1]!)).not.toContain('decoder.embedding');
    expectClose(shared[2]!['decoder.embedding']!, whole[2]!['decoder.embedding']!, 1e-6, 1e-5);
  });

  test('what goes wrong in a worker is said here, and the others go on', async () => {
    await expectNoLeak(async () => {
      const chooses = tinyCaptioner({ attention: 'hard' });
      const steps = train(chooses, tinyData, { ...base, parallel });
      await expect(steps.next()).rejects.toThrow(/Worker . of 3: 'hard' attention draws where to look/);
      release(chooses);
    });
    expect((await learned(kinds['attention-lstm']!, { ...base, parallel }, 1)).losses).toHaveLength(3);
  });

  test('an abort is heard while workers learn, and leaves nothing behind', () =>
    expectNoLeak(async () => {
      const captioner = tinyCaptioner();
      const controller = new AbortController();
      const { optimizer, seen } = watched();
      const steps = train(captioner, tinyData, { ...base, parallel, optimizer, signal: controller.signal });
      await steps.next();
      const upcoming = steps.next();
      controller.abort(new Error('enough'));
      await expect(upcoming).rejects.toThrow('enough');
      expect(seen).toHaveLength(1);
      release(captioner);
    }));

  test('they learn one batch at a time', async () => {
    const [first, second] = [tinyCaptioner(), tinyCaptioner()];
    const runs = [first, second].map((captioner) => train(captioner, tinyData, { ...base, parallel }));
    const ends = await Promise.allSettled(runs.map((run) => run.next()));
    expect(
      ends.filter(({ status }) => status === 'rejected').map((end) => `${(end as PromiseRejectedResult).reason}`),
    ).toEqual([expect.stringContaining('learns one batch at a time')]);
    for (const run of runs) await run.return();
    for (const captioner of [first, second]) release(captioner);
  });
});

test('what cannot be shared out is refused before anything begins', async () => {
  const captioner = tinyCaptioner();
  const parallel = dataParallel({ workers: 2, file: threadFile.file });
  const refused = async (options: TrainOptions, message: string) => {
    const next = train(captioner, tinyData, { ...options, parallel }).next();
    await expect(next).rejects.toThrow(UsageError);
    await expect(train(captioner, tinyData, { ...options, parallel }).next()).rejects.toThrow(message);
  };
  await refused({ objective: selfCritical({ reward: () => [] }) }, 'an objective looks at a batch as a whole');
  await refused({ mixup: 0.5, fineTune: { fromEpoch: 2, learningRate: 0.1 } }, 'mixed while the encoder is trained');
  const { encoder, decoder, tokenizer, generation, dropout } = captioner;
  const own: Captioner = { encoder, decoder, tokenizer, generation, dropout };
  await expect(train(own, tinyData, { parallel }).next()).rejects.toThrow('cannot be saved as a checkpoint');
  expect(() => dataParallel({ workers: 0, file: threadFile.file })).toThrow('workers is 0');
  expect(() => dataParallel({ workers: 2, file: new URL('file:///nowhere.js') })).toThrow('is not there');
  await parallel.close();
  release(captioner);
});

test('a worker that dies, and workers that are closed, end the training with a reason', async () => {
  const captioner = tinyCaptioner();
  const file = new URL('./dying.mjs', threadFile.file);
  await writeFile(
    file,
    `import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => process.exit(3));`,
  );
  const dying = dataParallel({ workers: 2, backend: 'cpu', file });
  await expect(train(captioner, tinyData, { parallel: dying }).next()).rejects.toThrow(
    /Worker . of 2 has ended with status 3/,
  );
  await dying.close();
  await writeFile(file, `import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => {});`);
  const silent = dataParallel({ workers: 1, backend: 'cpu', file });
  const waiting = train(captioner, tinyData, { parallel: silent }).next();
  setTimeout(() => void silent.close(), 100);
  await expect(waiting).rejects.toThrow('Worker 1 of 1 has been closed');
  release(captioner);
});

test('a backend that a worker cannot have is said with its reason', async () => {
  const captioner = tinyCaptioner();
  const parallel = dataParallel({ workers: 1, backend: 'webgpu', file: threadFile.file });
  await expect(train(captioner, tinyData, { parallel }).next()).rejects.toThrow(
    "Worker 1 of 1: There is no backend 'webgpu'",
  );
  await parallel.close();
  release(captioner);
});
