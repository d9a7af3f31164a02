import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { DataError, expectWhole, UsageError } from '../core/errors';
import type { Fit } from '../data/fit';
import type { FittedImage, PixelImage } from '../data/types';
import { doPictureTask, type PictureOrigin, type PictureTask } from './pictureTask';
import { errorOf, type Problem } from './threadProblem';

/** What comes back of a task from a thread. */
export type PictureAnswer = { id: number } & ({ image: PixelImage | FittedImage } | { problem: Problem });

export type PictureThreadsOptions = {
  /** By default one less than there are processors, and one at least. */
  threads?: number;
  /** The file of the thread, where a bundler has put it elsewhere. */
  file?: URL;
  /** Closes the threads; what they were asked for rejects with its reason. */
  signal?: AbortSignal;
};

/** `image` of an example whose picture threads read. */
export type ThreadedImage = (() => Promise<PixelImage>) & {
  fitted(fit: Fit): Promise<FittedImage>;
  changed(transforms: string, seed: number): ThreadedImage;
};

/** Threads that read, change and resize pictures. */
export type PictureThreads = {
  /**
   * A picture that is read when it is asked for.
   *
   * @param origin - asked for each time that the picture is
   * @param name - of the picture, for messages
   */
  image(origin: Origin, name: string): ThreadedImage;
  /** Ends the threads; what they were asked for rejects. */
  close(): Promise<void>;
};

type Origin = () => PictureOrigin | Promise<PictureOrigin>;

type Pending = {
  task: PictureTask;
  resolve(image: PixelImage | FittedImage): void;
  reject(error: unknown): void;
};

/** A thread, the tasks it was given, and whether it has started. */
type Hand = { worker: Worker; held: Map<number, Pending>; ready: boolean };

/** Tasks that a thread is given at a time: so many it works on while an engine keeps this thread from giving it more. */
const MOST_HELD = 32;

/**
 * Threads for the pictures of data sets, so that pictures are read, changed and resized while an engine computes:
 * `loadCaptionData(folder, { threads })`. Every picture comes as it would without threads, whatever their number.
 *
 * One starts whenever there is a picture and all others have some, so that few pictures start few; they do not keep the process from ending. Where they cannot start, or their file is not to be found, as
 * when this is run from source, pictures are read in this thread.
 */
export function pictureThreads(options: PictureThreadsOptions = {}): PictureThreads {
  const {
    threads = Math.max(1, availableParallelism() - 1),
    file = new URL('./pictureThread.js', import.meta.url),
    signal,
  } = options;
  expectWhole('threads', threads, 1);
  const hands = new Set<Hand>();
  const waiting: Pending[] = [];
  let [left, next] = [threads, 0];
  let closed: { reason: unknown } | undefined;

  const here = ({ task, resolve, reject }: Pending) => void doPictureTask(task).then(resolve, reject);

  const start = () => {
    if (left === threads && !existsSync(fileURLToPath(file))) left = 0;
    if (left === 0) return;
    left--;
    let worker: Worker;
    try {
      // What is preloaded here, such as a loader of TypeScript, is nothing that the threads need.
      worker = new Worker(file, { execArgv: [] });
    } catch {
      left = 0; // not allowed, or too many: those that there are will do
      return;
    }
    worker.unref();
    const hand: Hand = { worker, held: new Map(), ready: false };
    hands.add(hand);
    worker.on('message', (answer: PictureAnswer | 'ready') => {
      if (answer === 'ready') hand.ready = true;
      else settle(hand, answer);
    });
    worker.on('error', (error) => lose(hand, error));
    worker.on('exit', (code) => lose(hand, new Error(`it ended with ${code}`)));
  };

  const settle = (hand: Hand, answer: PictureAnswer) => {
    const { resolve, reject } = hand.held.get(answer.id)!;
    hand.held.delete(answer.id);
    if (hand.held.size === 0) hand.worker.unref();
    if ('image' in answer) resolve(answer.image);
    else reject(errorOf(answer.problem));
    give();
  };

  /** A thread that never started leaves its tasks to the others; one that was ended by a picture does not pass that one on. */
  const lose = (hand: Hand, error: unknown) => {
    if (!hands.delete(hand)) return;
    const tasks = [...hand.held.values()];
    hand.held.clear();
    if (hand.ready)
      for (const { task, reject } of tasks)
        reject(new DataError(`${task.name}: the thread that read it has failed: ${(error as Error).message}.`));
    else waiting.unshift(...tasks);
    give();
  };

  const give = () => {
    while (waiting.length > 0) {
      if ([...hands].every(({ held }) => held.size > 0)) start();
      const [hand] = [...hands].sort((a, b) => a.held.size - b.held.size);
      if (hand && hand.held.size >= MOST_HELD) return;
      const pending = waiting.shift()!;
      if (!hand) {
        here(pending);
        continue;
      }
      const id = next++;
      hand.held.set(id, pending);
      hand.worker.ref();
      const { task, sent } = withOwnBytes(pending.task);
      hand.worker.postMessage({ id, ...task }, sent);
    }
  };

  const ask = (task: PictureTask): Promise<PixelImage | FittedImage> =>
    new Promise((resolve, reject) => {
      if (closed) return reject(closed.reason);
      waiting.push({ task, resolve, reject });
      give();
    });

  const imageOf = (origin: Origin, about: Omit<PictureTask, 'origin'>): ThreadedImage =>
    Object.assign(async () => ask({ ...about, origin: await origin() }), {
      fitted: async (fit: Fit) => (await ask({ ...about, origin: await origin(), fit })) as FittedImage,
      changed: (transforms: string, seed: number) =>
        imageOf(origin, { ...about, changes: [...about.changes, { transforms, seed }] }),
    });

  const close = async (reason: unknown) => {
    closed ??= { reason };
    signal?.removeEventListener('abort', stop);
    const ended = [...hands];
    hands.clear();
    for (const { reject } of [...waiting.splice(0), ...ended.flatMap(({ held }) => [...held.values()])])
      reject(closed.reason);
    await Promise.all(ended.map(({ worker }) => worker.terminate()));
  };
  const stop = () => void close(signal?.reason);
  if (signal?.aborted) closed = { reason: signal.reason };
  else signal?.addEventListener('abort', stop, { once: true });

  return {
    image: (origin, name) => imageOf(origin, { name, changes: [] }),
    close: () => close(new UsageError('The threads that read pictures were closed: no more can be read.')),
  };
}

/** Bytes are handed over, not copied on the way; those of the caller, perhaps a part of something larger, stay where they are. */
function withOwnBytes(task: PictureTask): { task: PictureTask; sent: ArrayBuffer[] } {
  const { origin } = task;
  if ('bytes' in origin) {
    const bytes = new Uint8Array(origin.bytes);
    return { task: { ...task, origin: { bytes } }, sent: [bytes.buffer] };
  }
  if (!('pixels' in origin)) return { task, sent: [] };
  const data = new Uint8Array(origin.pixels.data);
  return { task: { ...task, origin: { pixels: { ...origin.pixels, data } } }, sent: [data.buffer] };
}
