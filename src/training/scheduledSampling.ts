import * as tf from '@tensorflow/tfjs';
import { expectPositive, UsageError } from '../core/errors';
import type { Random } from '../core/random';
import { disposeTree, mapTree, type Tree } from '../core/tree';
import type { TrainableDecoder } from '../decoders/types';
import type { CaptionBatch } from './captionBatch';
import type { Schedule } from './schedules';

/** Share of own words that rises evenly from 0 to `most` at the end of the training. */
export function risingShare(most: number): Schedule {
  if (!(most > 0 && most <= 1)) throw new UsageError(`The share of own words is ${most} but should be in (0, 1].`);
  return (step, total) => (most * step) / Math.max(1, total - 1);
}

/** Bengio et al.'s inverse sigmoid decay of the true words: the share of own ones after `step` steps is 1 - k / (k + exp(step / k)). */
export function inverseSigmoidShare(k: number): Schedule {
  expectPositive('k', k);
  return (step) => 1 - k / (k + Math.exp(Math.min(700, step / k)));
}

/**
 * Captions as they are, to be said from inputs of which some are the captioner's own: before every word but the first a
 * coin is tossed, and with a chance of `share` the word that is read is not the true one but one drawn from what the
 * captioner says there, having read what it did. Targets stay true. No gradient goes through the drawing.
 *
 * It draws without dropout. What is drawn follows from `random` alone, on every backend that computes alike.
 *
 * @see Bengio et al. 2015, https://arxiv.org/abs/1506.03099, section 2.4
 */
export async function withOwnWords(
  // biome-ignore lint/suspicious/noExplicitAny: state and memory are the decoder's own business
  decoder: TrainableDecoder<any, any>,
  features: tf.Tensor3D,
  captions: CaptionBatch,
  { share, random }: { share: number; random: Random },
): Promise<CaptionBatch> {
  const { rows, time, inputs, mask } = captions;
  const images = features.shape[0];
  const coins = random.fork('coins').uniform(rows * time);
  const own = Array.from(coins, (coin, place) => place % time > 0 && mask[place]! > 0 && coin < share);
  const read = inputs.slice();
  const held: { memory: Tree; state: Tree; next: Tree } = { memory: [], state: [], next: [] };
  try {
    const memory = tf.tidy(() => mapTree(decoder.remember(features) as Tree, (tensor) => tf.clone(tensor)));
    held.memory = memory;
    held.state = tf.tidy(() => repeated(decoder.initialState(memory), rows / images));
    const last = own.reduce((latest, chosen, place) => (chosen ? Math.max(latest, place % time) : latest), 0);
    for (let t = 1; t <= last; t++) {
      const before = Int32Array.from({ length: rows }, (_, row) => read[row * time + t - 1]!);
      const chosen = Array.from({ length: rows }, (_, row) => row).filter((row) => own[row * time + t]);
      const drawn = tf.tidy(() => {
        const { logits, state } = decoder.step(tf.tensor1d(before, 'int32'), held.state, memory);
        held.next = mapTree(state as Tree, (tensor) => tf.keep(tf.clone(tensor)));
        if (chosen.length === 0) return undefined;
        const vocabSize = logits.shape[1];
        const noise = random
          .fork(t)
          .uniform(chosen.length * vocabSize)
          .map((uniform) => -Math.log(-Math.log(uniform)));
        const asked = tf.gather(logits, tf.tensor1d(chosen, 'int32')) as tf.Tensor2D;
        return tf.argMax(tf.add(asked, tf.tensor2d(noise, [chosen.length, vocabSize])), 1);
      });
      disposeTree(held.state);
      held.state = held.next;
      held.next = [];
      if (!drawn) continue;
      const words = await drawn.data();
      drawn.dispose();
      for (const [i, row] of chosen.entries()) read[row * time + t] = words[i]!;
    }
  } finally {
    disposeTree(held);
  }
  return { ...captions, inputs: read };
}

/** Row r of every tensor becomes rows r * times ... r * times + times - 1. */
function repeated(state: Tree, times: number): Tree {
  return mapTree(state, (tensor) => {
    const [count = 1, ...sizes] = tensor.shape;
    const each = tf.tile(tf.expandDims(tensor, 1), [1, times, ...sizes.map(() => 1)]);
    return tf.reshape(each, [count * times, ...sizes]);
  });
}
