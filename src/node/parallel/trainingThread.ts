// Runs in a worker thread; `dataParallel.ts` starts it.
import { parentPort, workerData } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs';
import { DataError } from '../../core/errors';
import { memoryStore } from '../../io/stores';
import { loadCaptioner, type OwnCaptioner } from '../../loadCaptioner';
import type { Parameters } from '../../training/gradients';
import { learnShare } from '../../training/parallel';
import { selectBackend } from '../backends';
import { problemOf } from '../threadProblem';
import type { Answer, Learn, Lesson, Open, Place, Task, ThreadSettings } from './messages';

type Opened = {
  captioner: OwnCaptioner;
  places: Place[];
  parameters: tf.Variable[];
  weights: Float32Array;
  gradients: Float32Array;
};

const { backend, threads } = workerData as ThreadSettings;
const port = parentPort!;
tf.enableProdMode();
const started = selectBackend({ prefer: backend, threads });
started.catch(() => {}); // told with the first task
let opened: Opened | undefined;

async function open({ files, places, weights, gradients }: Open): Promise<void> {
  opened?.captioner.dispose();
  opened = undefined;
  const store = memoryStore();
  for (const [name, bytes] of files) await store.write(name, bytes);
  const captioner = await loadCaptioner(store);
  const own = captioner.parameters();
  const parameters = places.map(({ name, shape }) => {
    const parameter = own.get(name);
    if (`${parameter?.shape}` === `${shape}`) return parameter!;
    captioner.dispose();
    throw new DataError(`${name} [${shape}] is no parameter of the captioner as it is saved, so it cannot be trained.`);
  });
  opened = {
    ...{ captioner, places, parameters },
    weights: new Float32Array(weights),
    gradients: new Float32Array(gradients),
  };
}

async function learn({ share, changed, trained }: Learn): Promise<Lesson> {
  const { captioner, places, parameters, weights, gradients } = opened!;
  for (const index of changed) {
    const { offset, size, shape } = places[index]!;
    // A copy: some backends keep what they are given, and the main thread writes here again.
    const value = tf.tensor(weights.slice(offset, offset + size), shape);
    parameters[index]!.assign(value);
    value.dispose();
  }
  if (!share) return { loss: 0, crossEntropy: 0, captions: 0, touched: [] };
  const indices = new Map(trained.map((index) => [places[index]!.name, index]));
  const asked: Parameters = new Map([...indices].map(([name, index]) => [name, parameters[index]!]));
  const { grads, loss, crossEntropy, captions } = await learnShare(captioner, share, asked);
  try {
    const touched: number[] = [];
    for (const [name, gradient] of grads) {
      const index = indices.get(name)!;
      gradients.set((await gradient.data()) as Float32Array, places[index]!.offset);
      touched.push(index);
    }
    return { loss, crossEntropy, captions, touched };
  } finally {
    tf.dispose([...grads.values()]);
  }
}

async function answer(task: Task): Promise<Answer> {
  try {
    await started;
    if ('learn' in task) return { id: task.id, lesson: await learn(task.learn) };
    await open(task.open);
    return { id: task.id };
  } catch (error) {
    return { id: task.id, problem: problemOf(error) };
  }
}

let last = Promise.resolve();
port.on('message', (task: Task) => {
  last = last.then(async () => port.postMessage(await answer(task)));
});
