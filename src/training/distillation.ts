import * as tf from '@tensorflow/tfjs';
import type { Captioner } from '../captioner';
import { DataError, expectPositive, UsageError } from '../core/errors';
import type { Tokenizer } from '../data/tokenizer';
import type { TeacherForced } from '../decoders/types';
import { type FeatureCache, featureReader } from './features';
import { softCrossEntropy, wordLoss } from './losses';
import type { Objective } from './objective';

export type DistillationOptions = {
  /** Captioners with the same vocabulary; what several say is averaged. They stay the caller's. */
  teachers: readonly Captioner[];
  /** Share of the soft targets in the loss, in (0, 1]. Default 0.5. */
  weight?: number;
  /** Divides the logits of teachers and student: above 1 for softer targets. Default 2. */
  temperature?: number;
  /** Where the features of teachers with encoders of their own are kept. */
  features?: FeatureCache;
};

/**
 * Learning from what teachers think of every next word of the true captions, beside the words themselves: the loss is
 * weight * temperature^2 * cross-entropy(softmax(teacher / temperature), softmax(student / temperature))
 * + (1 - weight) * cross-entropy(words). Teachers have no dropout; the probabilities of several are averaged.
 *
 * @throws UsageError for settings out of their range; DataError for a teacher of another vocabulary, when the training begins
 * @see Hinton et al. 2015, https://arxiv.org/abs/1503.02531, section 2
 */
export function distillation({ teachers, weight = 0.5, temperature = 2, features }: DistillationOptions): Objective {
  if (teachers.length === 0) throw new UsageError('distillation() needs a teacher at least.');
  if (!(weight > 0 && weight <= 1)) throw new UsageError(`weight is ${weight} but should be in (0, 1], such as 0.5.`);
  expectPositive('temperature', temperature);
  const readers = new Map(teachers.map(({ encoder }) => [encoder, featureReader(encoder, features)]));
  return {
    ownCaptions: false,
    settings: { objective: 'distillation', teachers: teachers.length, weight, temperature },
    async lesson({ captioner, features: seen, examples, captions, labelSmoothing }) {
      if (weight === 1 && labelSmoothing > 0)
        throw new UsageError(
          'labelSmoothing changes nothing where the words have no weight: leave it out, or lower weight.',
        );
      for (const [i, teacher] of teachers.entries()) expectSameVocabulary(captioner, teacher, i);
      const { rows, time, inputs, wanted } = captions;
      let sum: tf.Tensor2D | undefined;
      for (const teacher of teachers) {
        const own = teacher.encoder === captioner.encoder ? undefined : await readers.get(teacher.encoder)!(examples);
        const before = sum;
        sum = tf.tidy(() => {
          const tokens = tf.tensor2d(inputs, [rows, time], 'int32');
          const memory = teacher.decoder.remember(own ?? seen);
          const { logits } = teacher.decoder.teacherForced(tokens, memory, { wanted: tf.tensor1d(wanted, 'int32') });
          const share = tf.div<tf.Tensor2D>(tf.softmax(tf.div(logits, temperature)), teachers.length);
          return before ? tf.add(before, share) : share;
        });
        tf.dispose([own, before].filter((tensor) => tensor !== undefined));
      }
      const soft = sum!;
      return {
        captions,
        loss(pass: TeacherForced, targets: tf.Tensor1D) {
          const taught = tf.mul<tf.Scalar>(softCrossEntropy(pass.logits, soft, temperature), weight * temperature ** 2);
          if (weight === 1) return taught;
          return tf.add<tf.Scalar>(taught, tf.mul(wordLoss(pass, targets, labelSmoothing), 1 - weight));
        },
        dispose: () => soft.dispose(),
      };
    },
  };
}

function expectSameVocabulary(student: Captioner, teacher: Captioner, index: number): void {
  const [own, other] = [student.tokenizer, teacher.tokenizer];
  if (own === other) return;
  const names = ['vocabSize', 'padId', 'startId', 'endId', 'unknownId'] as const;
  const wordsOf = (tokenizer: Tokenizer) =>
    tokenizer.words(Array.from({ length: tokenizer.vocabSize }, (_, id) => id)).join('\n');
  if (names.every((name) => own[name] === other[name]) && wordsOf(own) === wordsOf(other)) return;
  throw new DataError(
    `Teacher ${index + 1} has another vocabulary than the captioner that learns from it (${other.vocabSize} and ${own.vocabSize} entries). ` +
      'Make the student with the tokenizer of its teacher.',
  );
}
