import * as tf from '@tensorflow/tfjs';
import type { Captioner } from '../captioner';
import type { Dropout } from '../core/dropout';
import { gradients, type Parameters } from './gradients';
import type { Learned } from './loop';
import { doublyStochastic } from './losses';
import type { Lesson } from './objective';

export type LessonOptions = {
  /** Weight of the doubly stochastic term; 0 leaves it out. */
  doublyStochastic: number;
  drop: Dropout;
  /** What loss and gradients are divided by. */
  parts: number;
};

/**
 * One batch: forward and backward. The gradients belong to the caller.
 *
 * @param see - features [images, positions, featureSize], on the tape
 */
export async function lessonGradients(
  { decoder }: Captioner,
  see: () => tf.Tensor3D,
  lesson: Lesson,
  parameters: Parameters,
  { doublyStochastic: spread, drop, parts }: LessonOptions,
): Promise<Learned> {
  const { rows, time, inputs, targets, wanted, mask } = lesson.captions;
  const told: Record<string, tf.Scalar> = {};
  const tell = (name: string, value: tf.Scalar) => {
    told[name] = tf.keep(tf.clone(value));
  };
  const forward = () => {
    const seen = see();
    const memory = decoder.remember(seen, drop);
    const terms: tf.Scalar[] = [];
    let attention: tf.Scalar | undefined;
    if (lesson.loss) {
      const tokens = tf.tensor2d(inputs, [rows, time], 'int32');
      const pass = decoder.teacherForced(tokens, memory, { wanted: tf.tensor1d(wanted, 'int32'), drop });
      terms.push(lesson.loss(pass, tf.tensor1d(targets, 'int32')));
      if (spread > 0 && pass.weights)
        attention = tf.mul(doublyStochastic(pass.weights, tf.tensor2d(mask, [rows, time])), spread);
    }
    const others = lesson.beside?.({ features: seen, memory, drop }) ?? [];
    for (const { name, loss, weight } of others) {
      if (name) tell(name, loss);
      terms.push(weight === 1 ? loss : tf.mul(loss, weight));
    }
    const learned = terms.length === 1 ? terms[0]! : (tf.addN(terms) as tf.Scalar);
    tell(LEARNED, learned);
    return tf.div<tf.Scalar>(attention ? tf.add(learned, attention) : learned, parts);
  };
  try {
    const { loss, grads } = gradients(forward, parameters);
    told[WHOLE] = loss;
    const values = await Promise.all(
      Object.entries(told).map(async ([name, value]) => [name, (await value.data())[0]!] as const),
    );
    const { [LEARNED]: crossEntropy, [WHOLE]: whole, ...figures } = Object.fromEntries(values);
    return {
      grads,
      loss: whole!,
      crossEntropy: crossEntropy!,
      captions: rows,
      figures: { ...lesson.figures, ...figures },
    };
  } finally {
    tf.dispose(told);
  }
}

/** Among the names of what is learned: the sum of it, and that with the doubly stochastic term. */
const [LEARNED, WHOLE] = ['(learned)', '(whole)'];
