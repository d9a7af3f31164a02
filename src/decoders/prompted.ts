import * as tf from '@tensorflow/tfjs';
import { UsageError } from '../core/errors';
import type { TransformerDecoder, TransformerMemory, TransformerState } from './transformer';
import type { Decoder } from './types';

/**
 * The decoder with captions that go on from what is given, such as `a photo of`.
 *
 * Prompts of several lengths are padded on the left; each word has the place that it would have by itself.
 *
 * @param prompts - per picture, the start token first
 */
export function prompted(
  decoder: TransformerDecoder,
  prompts: readonly (readonly number[])[],
): Decoder<TransformerState, TransformerMemory> {
  const longest = Math.max(...prompts.map(({ length }) => length));
  if (prompts.some(({ length }) => length === 0))
    throw new UsageError('A prompt is empty, but it should have the start token at least.');
  return {
    initialState(memory) {
      if (longest === 1) return decoder.initialState();
      const before = prompts.map((prompt) => [
        ...new Array<number>(longest - prompt.length).fill(0),
        ...prompt.slice(0, -1),
      ]);
      const ragged = prompts.some(({ length }) => length < longest);
      const padding = prompts.map(({ length }) =>
        Array.from({ length: longest - 1 }, (_, i) => Number(i < longest - length)),
      );
      const tokens = tf.tensor2d(before, [prompts.length, longest - 1], 'int32');
      const keyPaddingMask = ragged ? tf.tensor2d(padding) : undefined;
      return decoder.read(tokens, decoder.initialState(), memory, { keyPaddingMask }).state;
    },
    step: (tokens, state, memory) => decoder.step(tokens, state, memory),
  };
}
