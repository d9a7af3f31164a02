import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import type { BackendName } from '../../backends/types';
import type { Captioner } from '../../captioner';
import { expectWhole, UsageError } from '../../core/errors';
import { memoryStore } from '../../io/stores';
import type { Store } from '../../io/types';
import type { Gradients, Parameters } from '../../training/gradients';
import { type Parallel, shareOut } from '../../training/parallel';
import type { Lesson, Place } from './messages';
import { startThread, type TrainingThread } from './startThread';

/** Several threads that learn shares of every batch; `close` ends them. */
export type DataParallel = Parallel & { close(): Promise<void> };

export type DataParallelOptions = {
  /** Shares of a batch that are learned at the same time. */
  workers: number;
  /** What each of them computes with. Default: the backend of this thread when the first batch comes. */
  backend?: BackendName;
  /** Most threads of the backend of each. Default: the processors divided by the workers. */
  threads?: number;
  /** The file of the threads, where a bundler has put it elsewhere. */
  file?: URL;
};

/** What is shared with the threads, once they have a captioner. */
type Opened = {
  places: Place[];
  weights: Float32Array;
  gradients: Float32Array[];
  /** By place, what names the values that the threads have. */
  known: unknown[];
};

/**
 * Data-parallel training in worker threads: each has a copy of the captioner and a backend of its own, and learns its share of the
 * pictures of every batch; gradients are summed here, and the optimizer steps once. Loss and gradients are those of the whole
 * batch, dropout included, but for the order in which numbers are added.
 *
 * It pays where one backend leaves processors idle; on two cores none does (docs/memory.md). Every thread has its own
 * copy of the model. For captioners with a `save` of their own: AttentionLSTMCaptioner, LSTMCaptioner and TransformerCaptioner.
 *
 * @throws UsageError for numbers that cannot be meant, where the file of the threads is not there, and in training for a
 * captioner that cannot be copied
 */
export function dataParallel(options: DataParallelOptions): DataParallel {
  const { workers, threads = Math.max(1, Math.floor(availableParallelism() / workers)) } = options;
  const { file = new URL('./trainingThread.js', import.meta.url) } = options;
  expectWhole('workers', workers, 1);
  expectWhole('threads', threads, 1);
  if (!existsSync(fileURLToPath(file)))
    throw new UsageError(`The file of the worker threads is not there: ${file}. Give its place as \`file\`.`);
  let running: TrainingThread[] = [];
  let opened: { captioner: Captioner; ready: Promise<Opened> } | undefined;
  let busy = false;

  async function open(captioner: Captioner, parameters: Parameters): Promise<Opened> {
    const files = await filesOf(captioner);
    if (running.length === 0) {
      const backend = options.backend ?? backendHere();
      running = Array.from({ length: workers }, (_, i) =>
        startThread(file, { backend, threads }, `Worker ${i + 1} of ${workers}`),
      );
    }
    const places = placesOf(parameters);
    const bytes = 4 * places.reduce((sum, { size }) => sum + size, 0);
    const weights = new SharedArrayBuffer(bytes);
    const gradients = running.map(() => new SharedArrayBuffer(bytes));
    await Promise.all(
      running.map((thread, i) => thread.ask({ open: { files, places, weights, gradients: gradients[i]! } })),
    );
    const views = gradients.map((shared) => new Float32Array(shared));
    return { places, weights: new Float32Array(weights), gradients: views, known: [] };
  }

  const learn: Parallel['learn'] = async ({ captioner, parameters, trained, batch, signal }) => {
    if (opened?.captioner !== captioner) opened = { captioner, ready: open(captioner, parameters) };
    const own = await untilAborted(opened.ready, signal);
    const changed = await publish(own, parameters);
    const names = new Set(trained);
    const indices = own.places.flatMap(({ name }, index) => (names.has(name) ? [index] : []));
    const shares = shareOut(batch, workers);
    // A thread without a share is asked too, for it would miss what has changed.
    const asked = running.map((thread, i) => thread.ask({ learn: { share: shares[i], changed, trained: indices } }));
    const lessons = (await untilAborted(Promise.all(asked), signal)).map((lesson) => lesson!);
    const total = (name: 'loss' | 'crossEntropy' | 'captions') =>
      lessons.reduce((sum, lesson) => sum + lesson[name], 0);
    return {
      grads: sumOf(own, lessons),
      loss: total('loss'),
      crossEntropy: total('crossEntropy'),
      captions: total('captions'),
      figures: {},
    };
  };

  return {
    async learn(given) {
      if (busy) throw new UsageError('dataParallel() learns one batch at a time: give every training its own.');
      busy = true;
      try {
        return await learn(given);
      } catch (error) {
        // What the threads have may be half of it.
        opened = undefined;
        throw error;
      } finally {
        busy = false;
      }
    },
    async close() {
      opened = undefined;
      const threads = running;
      running = [];
      await Promise.all(threads.map((thread) => thread.close()));
    },
  };
}

/** What `selectBackend` calls the backend of this thread. */
function backendHere(): BackendName {
  const name = tf.getBackend();
  return name === 'tensorflow' ? 'tfjs-node' : (name as BackendName);
}

/** The checkpoint of a captioner. */
async function filesOf(captioner: Captioner): Promise<Map<string, Uint8Array>> {
  const { save } = captioner as { save?(store: Store): Promise<void> };
  if (!save)
    throw new UsageError(
      'This captioner cannot be saved as a checkpoint, so no worker can have a copy of it. Leave parallel out.',
    );
  const store = memoryStore();
  await save.call(captioner, store);
  const files = new Map<string, Uint8Array>();
  for (const name of await store.list()) files.set(name, await store.read(name));
  return files;
}

function placesOf(parameters: Parameters): Place[] {
  let offset = 0;
  return [...parameters].map(([name, { shape, size }]) => {
    const place = { name, shape, offset, size };
    offset += size;
    return place;
  });
}

/** Writes the weights that the threads do not have yet, and tells which they are. */
async function publish({ places, weights, known }: Opened, parameters: Parameters): Promise<number[]> {
  const changed: number[] = [];
  for (const [index, { name, offset }] of places.entries()) {
    const parameter = parameters.get(name)!;
    // Every assignment gives a variable other data.
    if (known[index] === parameter.dataId) continue;
    weights.set((await parameter.data()) as Float32Array, offset);
    known[index] = parameter.dataId;
    changed.push(index);
  }
  return changed;
}

/** The sum over all threads, always in the same order. */
function sumOf({ places, gradients }: Opened, lessons: readonly Lesson[]): Gradients {
  const sums = new Map<number, Float32Array>();
  for (const [worker, lesson] of lessons.entries())
    for (const index of lesson.touched) {
      const { offset, size } = places[index]!;
      const own = gradients[worker]!.subarray(offset, offset + size);
      const sum = sums.get(index);
      if (!sum) sums.set(index, own.slice());
      else for (let i = 0; i < size; i++) sum[i]! += own[i]!;
    }
  const indices = [...sums.keys()].sort((a, b) => a - b);
  return new Map(indices.map((index) => [places[index]!.name, tf.tensor(sums.get(index)!, places[index]!.shape)]));
}

/** The result, or the reason of the signal as soon as it aborts. */
async function untilAborted<T>(result: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return result;
  signal.throwIfAborted();
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop);
  });
  try {
    return await Promise.race([result, aborted]);
  } finally {
    signal.removeEventListener('abort', stop!);
  }
}
