import * as tf from '@tensorflow/tfjs';
import {
  type Caption,
  type Captioner,
  type CaptionOptions,
  type CaptionSource,
  captionMemory,
  encodeImages,
} from '../captioner';
import { expectWhole, UsageError } from '../core/errors';
import { leaves, type Tree } from '../core/tree';
import type { Tokenizer } from '../data/tokenizer';
import type { Image } from '../data/types';
import type { Decoder } from '../decoders/types';

export type Ensemble = {
  /** Captions pictures, in their order. */
  caption(images: readonly Image[], options?: CaptionOptions): Promise<Caption[]>;
};

/**
 * Captioners that speak together: the probability of a word is the mean of theirs. They share a vocabulary; encoders,
 * decoders and sizes are their own. Search defaults are those of the first. The captioners stay the caller's.
 *
 * Attention is the mean of theirs, where all look at the same grid.
 *
 * @throws UsageError for vocabularies that differ, or none to speak
 */
export function ensemble(captioners: readonly Captioner[]): Ensemble {
  const [first] = captioners;
  if (!first) throw new UsageError('ensemble() was given no captioner. Give it two or more.');
  for (const [i, { tokenizer }] of captioners.entries()) expectSameVocabulary(first.tokenizer, tokenizer, i);
  const grids = new Set(captioners.map(({ encoder: { grid, leading = 0 } }) => `${leading} ${grid}`));
  const source: CaptionSource = {
    tokenizer: first.tokenizer,
    generation: first.generation,
    encoder: first.encoder,
    decoder: together(captioners.map(({ decoder }) => decoder)),
  };
  return {
    async caption(images, options = {}) {
      const { batchSize = 16, attention = false, signal } = options;
      expectWhole('batchSize', batchSize, 1);
      if (attention && grids.size > 1)
        throw new UsageError(
          'These captioners look at grids of different sizes: leave out attention, or ask each of them.',
        );
      const captions: Caption[] = [];
      for (let start = 0; start < images.length; start += batchSize) {
        signal?.throwIfAborted();
        const batch = images.slice(start, start + batchSize);
        const held: tf.Tensor[] = [];
        try {
          const memory: Tree[] = [];
          for (const { encoder, decoder } of captioners) {
            const features = await encodeImages(encoder, batch);
            held.push(features);
            memory.push(tf.tidy(() => decoder.remember(features)));
            held.push(...leaves(memory.at(-1)!).values());
          }
          captions.push(...(await captionMemory(source, memory, batch.length, options)));
        } finally {
          tf.dispose([...new Set(held)]);
        }
      }
      return captions;
    },
  };
}

// biome-ignore lint/suspicious/noExplicitAny: states and memories are the decoders' own business
type AnyDecoder = Decoder<any, any>;

/** One decoder of several: its state and its memory are lists of theirs, its logits the logarithms of mean probabilities. */
function together(decoders: readonly AnyDecoder[]): Decoder<Tree[], Tree[]> {
  const mean = <T extends tf.Tensor>(tensors: readonly T[]): T => tf.div<T>(tf.addN([...tensors]), tensors.length);
  return {
    initialState: (memory) => decoders.map((decoder, i) => decoder.initialState(memory[i])),
    step(tokens, state, memory) {
      const steps = decoders.map((decoder, i) => decoder.step(tokens, state[i], memory[i]));
      const probabilities = mean(steps.map(({ logits }) => tf.softmax(logits)));
      const looks = steps.map(({ weights }) => weights).filter((weights) => weights !== undefined);
      const alike = looks.length === steps.length && new Set(looks.map(({ shape }) => shape[1])).size === 1;
      return {
        // A probability that is too small for a float32 is not impossible.
        logits: tf.log(tf.maximum(probabilities, 1e-37)),
        state: steps.map((step) => step.state),
        ...(alike && { weights: mean(looks) }),
      };
    },
  };
}

function expectSameVocabulary(tokenizer: Tokenizer, other: Tokenizer, index: number): void {
  if (tokenizer === other) return;
  const differs = (['vocabSize', 'padId', 'startId', 'endId', 'unknownId'] as const).find(
    (name) => tokenizer[name] !== other[name],
  );
  const refuse = (what: string): never => {
    throw new UsageError(
      `Captioners 0 and ${index} do not share a vocabulary: ${what}. Train them with one tokenizer to let them speak together.`,
    );
  };
  if (differs) refuse(`${differs} is ${tokenizer[differs]} in one and ${other[differs]} in the other`);
  for (let token = 0; token < tokenizer.vocabSize; token++) {
    const [word, theirs] = [tokenizer, other].map((each) => each.words([token]).join(' '));
    if (word !== theirs)
      refuse(`token ${token} is ${JSON.stringify(word)} in one and ${JSON.stringify(theirs)} in the other`);
  }
}
