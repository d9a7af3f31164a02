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
  /** The statistics of each caption, or nothing where a thread fails. */
  measure(captions: readonly Caption[], onPiece: (captions: number) => void): Promise<MeteorStatistics[] | undefined>;
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
 * program's bundle, in which the thread's file is not to be found, `measure` gives nothing, and the work is to be done here.
 */
export function startMeteorThreads(count: number, signal?: AbortSignal): MeteorThreads {
  const { Worker } = workerThreads()!;
  const file = new URL('./meteorThread.js', import.meta.url);
  const workers = Array.from({ length: count }, () => new Worker(file));
  let fail: (why: unknown) => void;
  const failure = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failure.catch(() => {}); // is looked at in `measure`
  const stop = () => fail(signal!.reason);
  signal?.addEventListener('abort', stop);
  for (const worker of workers) worker.once('error', fail!);
  const close = () => {
    signal?.removeEventListener('abort', stop);
    for (const worker of workers) void worker.terminate();
  };
  return {
    close,
    async measure(captions, onPiece) {
      const statistics: MeteorStatistics[] = [];
      const numbers = new Map<string, number>();
      const answers = workers.map((worker, index) => {
        let waiting = 0;
        let known = 0;
        return new Promise<void>((resolve) => {
          worker.on('message', ({ from, statistics: found }: Answer) => {
            for (const [i, ofCaption] of found.entries()) statistics[from + i] = ofCaption;
            onPiece(found.length);
            if (--waiting === 0) resolve();
          });
          const first = index * CAPTIONS_PER_PIECE;
          for (let from = first; from < captions.length; from += count * CAPTIONS_PER_PIECE, waiting++) {
            const numbered = numberTokens(captions.slice(from, from + CAPTIONS_PER_PIECE), numbers);
            worker.postMessage({ from, words: [...numbers.keys()].slice(known), ...numbered } satisfies Piece);
            known = numbers.size;
          }
          if (waiting === 0) resolve();
        });
      });
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

/** Gives every word that is new a number. */
function numberTokens(captions: readonly Caption[], numbers: Map<string, number>): Omit<Piece, 'from' | 'words'> {
  const sentences = captions.flatMap(({ candidate, references }) => [candidate, ...references]);
  const tokens: number[] = [];
  for (const words of sentences)
    for (const word of words) {
      let number = numbers.get(word);
      if (number === undefined) {
        number = numbers.size;
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
