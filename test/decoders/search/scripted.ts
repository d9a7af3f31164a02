import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import { Random } from '../../../src/core/random';
import type { Decoder } from '../../../src/decoders/types';

/** What a hypothesis has read: [batch], and [batch, 24] filled up with zeros. */
type State = { length: tf.Tensor1D; trace: tf.Tensor2D };
type Memory = { picture: { seed: tf.Tensor2D } };

/**
 * A decoder without weights: the seed of the picture, the tokens so far and nothing else dictate the logits. So a row
 * of state or memory that ends up with the wrong hypothesis changes the result.
 */
export function scripted(vocabSize: number, sharpness = 3) {
  const logitsOf = (seed: number, tokens: readonly number[]) =>
    [...new Random(seed).fork(tokens.join(' ')).normal(vocabSize)].map((value) => Math.fround(value * sharpness));
  const weightsOf = (seed: number, tokens: readonly number[]) => [seed, tokens.length, tokens.at(-1)!];
  const hiddenOf = (seed: number, tokens: readonly number[]) => [...new Random(seed).fork(tokens.join('.')).normal(3)];
  const calls: number[] = [];

  const decoder: Decoder<State, Memory> = {
    initialState: ({ picture }) => ({
      length: tf.zeros([picture.seed.shape[0]], 'int32'),
      trace: tf.zeros([picture.seed.shape[0], 24]),
    }),
    step(tokens, state, memory) {
      const ids = tokens.arraySync();
      const pictures = memory.picture.seed.arraySync();
      // Rows are a multiple of the pictures, and those of a picture stand together.
      expect(ids.length % pictures.length).toBe(0);
      const seeds = ids.map((_, row) => pictures[Math.floor((row * pictures.length) / ids.length)]!);
      const [lengths, traces] = [state.length.arraySync(), state.trace.arraySync()];
      calls.push(ids.length);
      const paths = traces.map((trace, row) => [...trace.slice(0, lengths[row]), ids[row]!]);
      const padded = paths.map((path) => [...path, ...Array<number>(24 - path.length).fill(0)]);
      return {
        logits: tf.tensor2d(paths.map((path, row) => logitsOf(seeds[row]![0]!, path))),
        state: { length: tf.add(state.length, tf.scalar(1, 'int32')), trace: tf.tensor2d(padded) },
        weights: tf.tensor2d(paths.map((path, row) => weightsOf(seeds[row]![0]!, path))),
        hidden: tf.tensor2d(paths.map((path, row) => hiddenOf(seeds[row]![0]!, path))),
      };
    },
  };
  const logProbsOf = (seed: number, tokens: readonly number[], temperature = 1) =>
    logSoftmax(logitsOf(seed, tokens).map((logit) => logit / temperature));
  const memoryOf = (seeds: readonly number[]): Memory => ({
    picture: { seed: tf.tensor2d(seeds.map((seed) => [seed])) },
  });
  return { decoder, memoryOf, logitsOf, logProbsOf, weightsOf, hiddenOf, calls };
}

/** In double precision. */
export function logSoftmax(logits: readonly number[]): number[] {
  const top = Math.max(...logits);
  const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0)) + top;
  return logits.map((logit) => logit - total);
}
