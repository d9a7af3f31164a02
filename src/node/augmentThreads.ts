import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { augment, augmentWith, describe } from '../data/augment/augment';
import type { Augmentation, Transform } from '../data/augment/types';
import { toPixels } from '../data/pixels';
import type { PixelImage } from '../data/types';

/** A picture to be changed, and what comes back. */
export type AugmentTask = { id: number; image: PixelImage; seed: number };
export type AugmentAnswer = { id: number; image?: PixelImage; problem?: string };

export type AugmentThreads = Augmentation & { close(): Promise<void> };

export type AugmentThreadsOptions = {
  /** By default one less than there are processors, and one at least. */
  threads?: number;
  /** The file of the thread, where a bundler has put it elsewhere. */
  file?: URL;
};

/**
 * `augment` in threads, so that pictures are changed while a native engine computes: the same pictures, whatever their number.
 *
 * Where the file of the thread is not to be found, as when this is run from source, the pictures are changed in this thread.
 */
export function augmentThreads(
  transforms: readonly Transform[],
  {
    threads = Math.max(1, availableParallelism() - 1),
    file = new URL('./augmentThread.js', import.meta.url),
  }: AugmentThreadsOptions = {},
): AugmentThreads {
  if (!existsSync(fileURLToPath(file))) return { ...augment(transforms), close: async () => {} };
  const workerData = describe(transforms);
  const waiting = new Map<number, { resolve(image: PixelImage): void; reject(error: Error): void; worker: Worker }>();
  const workers = Array.from({ length: threads }, () => {
    const worker = new Worker(file, { workerData });
    worker.unref(); // a thread that waits for pictures does not keep the process from ending
    worker.on('message', ({ id, image, problem }: AugmentAnswer) => {
      const { resolve, reject } = waiting.get(id)!;
      waiting.delete(id);
      if (!holds(worker)) worker.unref();
      if (image) resolve(image);
      else reject(new Error(problem));
    });
    worker.on('error', (error) => {
      for (const [id, { reject, worker: own }] of waiting)
        if (own === worker) {
          waiting.delete(id);
          reject(error as Error);
        }
    });
    return worker;
  });
  const holds = (worker: Worker) => [...waiting.values()].some((task) => task.worker === worker);
  let next = 0;
  const change = (image: PixelImage, seed: number) =>
    new Promise<PixelImage>((resolve, reject) => {
      const id = next++;
      const worker = workers[id % workers.length]!;
      waiting.set(id, { resolve, reject, worker });
      worker.ref();
      worker.postMessage({ id, image, seed } satisfies AugmentTask);
    });
  return {
    ...augmentWith(transforms, async (image, seed) => change(await toPixels(image), seed)),
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}
