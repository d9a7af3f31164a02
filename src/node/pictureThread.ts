// Runs in a worker thread; `pictureThreads.ts` starts it.
import { parentPort } from 'node:worker_threads';
import { doPictureTask, type PictureTask } from './pictureTask';
import type { PictureAnswer } from './pictureThreads';
import { problemOf } from './threadProblem';

const port = parentPort!;
/** Four at a time, each behind the one before: some are read and decoded, by other threads of Node, while one is resized here. */
const lanes = Array.from({ length: 4 }, () => Promise.resolve());

port.on('message', (asked: PictureTask & { id: number }) => {
  lanes.push(lanes.shift()!.then(() => answer(asked)));
});
port.postMessage('ready');

async function answer({ id, ...task }: PictureTask & { id: number }): Promise<void> {
  try {
    const image = await doPictureTask(task);
    const { data } = image;
    // What is a part of a larger buffer is copied: all of that would be sent.
    const own = data.byteLength === data.buffer.byteLength ? data : data.slice();
    port.postMessage({ id, image: { ...image, data: own } } satisfies PictureAnswer, [own.buffer as ArrayBuffer]);
  } catch (error) {
    port.postMessage({ id, problem: problemOf(error) } satisfies PictureAnswer);
  }
}
