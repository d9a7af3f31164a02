import * as tf from '@tensorflow/tfjs';
import {
  type Caption,
  type Captioner,
  type CaptionOptions,
  type CaptionSource,
  captionMemory,
  encodeImages,
} from '../captioner';
import { UsageError } from '../core/errors';
import { leaves, type Tree } from '../core/tree';
import type { Image } from '../data/types';
import { greedy } from '../decoders/search/greedy';
import type { SearchProblem, Spoken } from '../decoders/search/types';

/** A caption that grows: the newest word, and the text with it. */
export type CaptionPart = {
  word: string;
  text: string;
  token: number;
  /** Natural logarithm. */
  logProb: number;
  /** [positions], with `attention: true` */
  attention?: number[];
};

export type StreamOptions = Omit<CaptionOptions, 'batchSize'>;

/**
 * The caption of a picture word by word, as soon as a word is settled; the generator returns the whole caption, the one that
 * `caption` gives with the same options. The model waits while nobody asks for the next word, and stops when the loop is
 * left.
 *
 * `options.search`: `greedy()` (default), `sample()` or `contrastive()`
 * @throws UsageError for a search that settles words at its end, such as a beam; `signal.reason` when aborted
 */
export function streamCaption(
  captioner: Captioner,
  image: Image,
  options: StreamOptions = {},
): AsyncGenerator<CaptionPart, Caption, undefined> {
  return streamWords(captioner, options, async (asked) => {
    const features = await encodeImages(captioner.encoder, [image]);
    const memory = tf.tidy(() => captioner.decoder.remember(features)) as Tree;
    try {
      const [caption] = await captionMemory(captioner, memory, 1, asked);
      return caption!;
    } finally {
      tf.dispose([...leaves(memory).values()].filter((tensor) => tensor !== features));
      features.dispose();
    }
  });
}

/**
 * `streamCaption` of whatever says captions by `captionMemory`.
 *
 * @param speak - captions one picture with these options, which are to reach `captionMemory`
 */
export async function* streamWords(
  { tokenizer, encoder }: Pick<CaptionSource, 'tokenizer' | 'encoder'>,
  options: StreamOptions,
  speak: (asked: StreamOptions & Required<Pick<SearchProblem, 'onToken' | 'signal'>>) => Promise<Caption>,
): AsyncGenerator<CaptionPart, Caption, undefined> {
  const { search = greedy(), signal } = options;
  signal?.throwIfAborted();
  const left = new AbortController();
  const abort = () => left.abort(signal!.reason);
  signal?.addEventListener('abort', abort, { once: true });

  const { spoken, hear, close } = handOver<Spoken>();
  const captioned = speak({ ...options, search, signal: left.signal, onToken: hear });
  const closed = captioned.then(close, close); // never rejects: what went wrong is thrown below

  try {
    const tokens: number[] = [];
    for await (const { token, logProb, finished, weights } of spoken()) {
      signal?.throwIfAborted();
      if (finished) continue;
      tokens.push(token);
      yield {
        word: tokenizer.words([token])[0] ?? '',
        text: tokenizer.decode(tokens),
        token,
        logProb,
        ...(weights && { attention: weights.slice(encoder.leading ?? 0) }),
      };
    }
    const caption = await captioned;
    if (tokens.length === 0 && caption.words.length > 0)
      throw new UsageError('This search does not say words one by one. greedy(), sample() and contrastive() do.');
    return caption;
  } finally {
    signal?.removeEventListener('abort', abort);
    left.abort(new Error('Nobody listens any more.'));
    close();
    await closed;
  }
}

/** Hands values from who speaks to who listens, one at a time: `hear` waits until the value before was asked for. */
function handOver<T>() {
  const waiting: { value: T; taken: () => void }[] = [];
  let over = false;
  let wake = () => {};
  return {
    hear: (value: T): Promise<void> =>
      new Promise((taken) => {
        if (over) return taken();
        waiting.push({ value, taken });
        wake();
      }),
    close: (): void => {
      over = true;
      for (const { taken } of waiting) taken();
      wake();
    },
    async *spoken(): AsyncGenerator<T, void, undefined> {
      while (true) {
        const next = waiting[0];
        if (next) {
          yield next.value;
          waiting.shift();
          next.taken();
        } else if (over) return;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    },
  };
}
