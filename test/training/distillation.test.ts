import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { askedForCpu } from '../../src/backends/warnIfPlainCpu';
import type { Captioner } from '../../src/captioner';
import { DataError, UsageError } from '../../src/core/errors';
import { Random } from '../../src/core/random';
import { WordTokenizer } from '../../src/data/wordTokenizer';
import { captionBatch } from '../../src/training/captionBatch';
import { type DistillationOptions, distillation } from '../../src/training/distillation';
import { crossEntropy } from '../../src/training/losses';
import { adamW } from '../../src/training/optimizers';
import { type TrainOptions, train } from '../../src/training/train';
import { expectClose, expectNoLeak } from '../helpers';
import { dispose, tinyCaptioner, tinyData, tinyTokenizer } from './tiny';

await tf.setBackend('cpu');
askedForCpu();

async function withThree(
  use: (student: Tiny, teachers: readonly Tiny[]) => Promise<void>,
  options: Parameters<typeof tinyCaptioner>[0] = {},
): Promise<void> {
  await expectNoLeak(async () => {
    const student = tinyCaptioner({ seed: 1, dropout: 0 });
    const teachers = [2, 3].map((seed) => tinyCaptioner({ hiddenSize: 9, ...options, seed }));
    await use(student, teachers);
    for (const captioner of [student, ...teachers]) dispose(captioner);
  });
}
type Tiny = ReturnType<typeof tinyCaptioner>;

const captions = captionBatch(
  ['a red ball', 'the cat'].map((text) => tinyTokenizer.encode(text)),
  tinyTokenizer,
);
const ints = (values: Int32Array) => tf.tensor1d(values, 'int32');

/** A teacher-forced pass over the captions by one captioner, which encodes the picture itself. */
function passOf(captioner: Captioner, features: tf.Tensor3D) {
  const { rows, time, inputs, wanted } = captions;
  const tokens = tf.tensor2d(inputs, [rows, time], 'int32');
  return captioner.decoder.teacherForced(tokens, captioner.decoder.remember(features), { wanted: ints(wanted) });
}

test.each([
  { weight: 0.3, temperature: 2, labelSmoothing: 0.1 },
  { weight: 1, temperature: 1, labelSmoothing: 0 },
])('the loss mixes what teachers think, averaged, with the words: %j', ({ weight, temperature, labelSmoothing }) =>
  withThree(async (student, teachers) => {
    const examples = [await tinyData.at(0)];
    const pictures = await Promise.all(examples.map((example) => example.image()));
    const features = await student.encode(pictures);
    const others = await Promise.all(teachers.map((teacher) => teacher.encode(pictures)));
    const objective = distillation({ teachers, weight, temperature });
    const lesson = await objective.lesson({
      ...{ captioner: student, features, examples, captions, captionsPerImage: 2, labelSmoothing },
      random: new Random(1),
      signal: undefined,
    });
    expect(lesson.captions).toBe(captions);
    tf.tidy(() => {
      const pass = passOf(student, features);
      const targets = ints(captions.targets);
      const found = lesson.loss!(pass, targets);
      const soft = tf.mean(
        tf.stack(teachers.map((each, i) => tf.softmax(tf.div(passOf(each, others[i]!).logits, temperature)))),
        0,
      );
      const logProbs = tf.logSoftmax(tf.div(pass.logits, temperature));
      const taught = tf.neg(tf.mean(tf.sum(tf.mul(soft, logProbs), 1)));
      const hard = crossEntropy(pass.logits, targets, labelSmoothing);
      const expected = tf.add(tf.mul(taught, weight * temperature ** 2), tf.mul(hard, 1 - weight));
      expectClose(found, expected, 1e-5);
    });
    lesson.dispose?.();
    tf.dispose([features, ...others]);
  }),
);

describe('training', () => {
  const run = async (student: Tiny, options: TrainOptions, learning: DistillationOptions) => {
    const optimizer = adamW(0.02);
    const losses: number[] = [];
    try {
      const objective = distillation(learning);
      for await (const { crossEntropy } of train(student, tinyData, { objective, ...options, optimizer }))
        losses.push(crossEntropy);
      return losses;
    } finally {
      optimizer.dispose();
    }
  };

  test('comes nearer to the teacher', () =>
    withThree(async (student, [teacher]) => {
      const { bias, weight } = teacher!.decoder.params.output as unknown as Record<string, tf.Variable>;
      tf.tidy(() => {
        for (const variable of [bias!, weight!]) variable.assign(tf.mul(variable, 20));
      });
      const learning = { teachers: [teacher!], weight: 1, temperature: 1 };
      const losses = await run(student, { epochs: 25, batchSize: 5, captionsPerImage: 2 }, learning);
      expect(losses.at(-1)).toBeLessThan(losses[0]! - 0.5);
    }));

  test('takes a teacher whose tokenizer is another object of the same vocabulary', () =>
    withThree(
      async (student, teachers) => {
        expect(await run(student, { epochs: 1, batchSize: 5 }, { teachers })).toHaveLength(1);
      },
      { tokenizer: WordTokenizer.fromJSON(tinyTokenizer.toJSON(), 'a copy') },
    ));

  test('works while the encoder is trained', () =>
    withThree(async (student, teachers) => {
      const fineTune = { fromEpoch: 1, learningRate: 1e-3 };
      expect(await run(student, { epochs: 1, batchSize: 2, fineTune }, { teachers })).toHaveLength(3);
    }));

  test('refuses a teacher of another vocabulary, and settings that cannot be meant', async () => {
    const tokenizer = await WordTokenizer.fromCaptions(['something else'], { minCount: 1 });
    await withThree(
      async (student, teachers) => {
        const failed = run(student, { epochs: 1 }, { teachers });
        await expect(failed).rejects.toThrow(DataError);
        await expect(failed).rejects.toThrow(/Teacher 1 has another vocabulary/);
      },
      { tokenizer },
    );
    await withThree(async (student, teachers) => {
      for (const wrong of [{ weight: 0 }, { weight: 1.1 }, { temperature: 0 }])
        expect(() => distillation({ teachers, ...wrong })).toThrow(UsageError);
      expect(() => distillation({ teachers: [] })).toThrow(UsageError);
      const ignored = run(student, { epochs: 1, labelSmoothing: 0.1 }, { teachers, weight: 1 });
      await expect(ignored).rejects.toThrow(/labelSmoothing changes nothing/);
    });
  });
});
