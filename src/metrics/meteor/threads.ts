import type { Tokens } from '../metric';
import type { MeteorStatistics } from './statistics';

/**
 * Captions from index `from` on, as numbers: for each how many sentences it has, the candidate first and then its references;
 * for each of these how many tokens; the tokens. Words are numbered as they come; `words` are those that are new to the thread.
 */
export type Piece = { from: number; words: string[]; sentences: Int32Array; lengths: Int32Array; tokens: Int32Array };
export type Answer = { from: number; statistics: MeteorStatistics[] };

/** Below so many captions a thread takes longer to start than it saves. */
const FEWEST = 1000;
/** For each thread, because each loads METEOR's data for itself. */
const CAPTIONS_PER_THREAD = 10_000;
const CAPTIONS_PER_PIECE = 250;

type Caption = { candidate: Tokens; references: readonly Tokens[] };

export type MeteorThreads = {
  /** Takes one more caption. A piece is measured from when it is full on. */
  add(caption: Caption): void;
  /** The statistics of all captions, in the order in which they came, or nothing where a thread fails. */
  statistics(): Promise<MeteorStatistics[] | undefined>;
  close(): void;
};

/** Node's own, without an import that would stand in a bundler's way; undefined in a browser and before Node 20.16. */
export function workerThreads() {
  return globalThis.process?.getBuiltinModule?.('worker_threads');
}

/** How many threads pay for a corpus: METEOR beside the other metrics from the first on, then one more for each 10,000. */
export function threadsFor(captions: number): number {
  if (captions < FEWEST || !workerThreads()) return 0;
  const processors = globalThis.process.getBuiltinModule('os').availableParallelism();
  return Math.min(processors - 1, Math.ceil(captions / CAPTIONS_PER_THREAD));
}

/**
 * Starts threads that measure METEOR beside other work; they begin at once to load its data. Where one fails, as in another
 * program's bundle, in which the thread's file is not to be found, there are no statistics, and the work is to be done here.
 *
 * @param onPiece - told how many captions more have their statistics
 */
export function startMeteorThreads(
  count: number,
  onPiece: (captions: number) => void,
  signal?: AbortSignal,
): MeteorThreads {
  const { Worker } = workerThreads()!;
  const file = new URL('./meteorThread.js', import.meta.url);
  const workers = Array.from({ length: count }, () => ({ worker: new Worker(file), known: 0 }));
  let fail: (why: unknown) => void;
  const failure = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failure.catch(() => {}); // is looked at in `statistics`
  const stop = () => fail(signal!.reason);
  signal?.addEventListener('abort', stop);
  for (const { worker } of workers) worker.once('error', fail!);
  const close = () => {
    signal?.removeEventListener('abort', stop);
    for (const { worker } of workers) void worker.terminate();
  };

  const statistics: MeteorStatistics[] = [];
  const answers: Promise<void>[] = [];
  const settle = new Map<number, () => void>();
  for (const { worker } of workers)
    worker.on('message', ({ from, statistics: found }: Answer) => {
      for (const [i, ofCaption] of found.entries()) statistics[from + i] = ofCaption;
      onPiece(found.length);
      settle.get(from)!();
    });

  const numbers = new Map<string, number>();
  const words: string[] = [];
  let waiting: Caption[] = [];
  let sent = 0;
  const send = () => {
    const from = sent;
    const to = workers[answers.length % count]!;
    const numbered = numberTokens(waiting, numbers, words);
    to.worker.postMessage({ from, words: words.slice(to.known), ...numbered } satisfies Piece);
    to.known = words.length;
    sent += waiting.length;
    waiting = [];
    answers.push(new Promise((resolve) => settle.set(from, resolve)));
  };
  return {
    close,
    add(caption) {
      waiting.push(caption);
      if (waiting.length === CAPTIONS_PER_PIECE) send();
    },
    async statistics() {
      if (waiting.length > 0) send();
      try {
        await Promise.race([Promise.all(answers), failure]);
        return statistics;
      } catch {
        signal?.throwIfAborted();
        return undefined;
      } finally {
        close();
      }
    },
  };
}

/** Gives every word that is new a number and adds it to `words`. */
function numberTokens(
  captions: readonly Caption[],
  numbers: Map<string, number>,
  words: string[],
): Omit<Piece, 'from' | 'words'> {
  const sentences = captions.flatMap(({ candidate, references }) => [candidate, ...references]);
  const tokens: number[] = [];
  for (const sentence of sentences)
    for (const word of sentence) {
      let number = numbers.get(word);
      if (number === undefined) {
        number = words.push(word) - 1;
        numbers.set(word, number);
      }
      tokens.push(number);
    }
  return {
    sentences: Int32Array.from(captions, ({ references }) => 1 + references.length),
    lengths: Int32Array.from(sentences, ({ length }) => length),
    tokens: Int32Array.from(tokens),
  };
}

/** The captions of a piece. @param words - all that the thread knows, by their numbers; those of the piece are added */
export function captionsOf({ words: added, sentences, lengths, tokens }: Piece, words: string[]): string[][][] {
  for (const word of added) words.push(word);
  let [sentence, token] = [0, 0];
  const next = () => {
    const texts: string[] = [];
    for (const end = token + lengths[sentence++]!; token < end; token++) texts.push(words[tokens[token]!]!);
    return texts;
  };
  return Array.from(sentences, (count) => Array.from({ length: count }, next));
}
