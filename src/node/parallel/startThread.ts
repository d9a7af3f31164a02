import { Worker } from 'node:worker_threads';
import { errorOf } from '../threadProblem';
import type { Answer, Learn, Lesson, Open, Task, ThreadSettings } from './messages';

type Asked = { resolve(lesson: Lesson | undefined): void; reject(error: Error): void };

/** A thread that is asked and answers; it does not keep the process from ending while it has nothing to do. */
export type TrainingThread = {
  ask(task: { open: Open } | { learn: Learn }): Promise<Lesson | undefined>;
  close(): Promise<void>;
};

/** @param name - such as 'Worker 1 of 4', for messages */
export function startThread(file: URL, settings: ThreadSettings, name: string): TrainingThread {
  // What is preloaded here, such as a loader of TypeScript, is nothing that the threads need.
  const worker = new Worker(file, { workerData: settings, execArgv: [] });
  worker.unref();
  const waiting = new Map<number, Asked>();
  let ended: Error | undefined;
  const end = (error: Error) => {
    ended ??= error;
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  };
  worker.on('message', ({ id, lesson, problem }: Answer) => {
    const asked = waiting.get(id);
    waiting.delete(id);
    if (waiting.size === 0) worker.unref();
    if (problem) asked?.reject(errorOf(problem, name));
    else asked?.resolve(lesson);
  });
  worker.on('error', (error) => end(new Error(`${name} failed: ${(error as Error).message}`, { cause: error })));
  worker.on('exit', (status) => end(new Error(`${name} has ended with status ${status}. Start the training anew.`)));
  let next = 0;
  return {
    ask: (task) =>
      new Promise((resolve, reject) => {
        if (ended) return reject(ended);
        const id = next++;
        waiting.set(id, { resolve, reject });
        worker.ref();
        const share = 'learn' in task ? task.learn.share : undefined;
        worker.postMessage({ id, ...task } satisfies Task, share ? [share.seen.buffer as ArrayBuffer] : []);
      }),
    async close() {
      end(new Error(`${name} has been closed.`));
      await worker.terminate();
    },
  };
}
