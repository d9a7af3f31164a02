// Runs in a worker thread; `augmentThreads.ts` starts it.
import { parentPort, workerData } from 'node:worker_threads';
import { changePixels } from '../data/augment/augment';
import { transformsOf } from '../data/augment/named';
import type { AugmentAnswer, AugmentTask } from './augmentThreads';

const transforms = transformsOf(workerData as string);
const port = parentPort!;

port.on('message', ({ id, image, seed }: AugmentTask) => {
  let answer: AugmentAnswer;
  try {
    answer = { id, image: changePixels(image, transforms, seed) };
  } catch (error) {
    answer = { id, problem: (error as Error).message };
  }
  port.postMessage(answer, answer.image ? [answer.image.data.buffer as ArrayBuffer] : []);
});
