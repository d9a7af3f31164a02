import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { parametersOf } from '../../src/core/parameters';
import { Random } from '../../src/core/random';
import type { Tree } from '../../src/core/tree';
import { assignStored, readTensors, tensorOf, writeTensors } from '../../src/io/checkpoint';
import { directory } from '../../src/node/directory';
import type { Plan } from './types';

export const seed = new Random(7);

export async function writePlan(folder: string, plan: Plan): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'plan.json'), JSON.stringify(plan));
}

export async function readPlan<P extends Plan>(folder: string): Promise<P> {
  return JSON.parse(await readFile(join(folder, 'plan.json'), 'utf8'));
}

/** The parameters of a model, by tree path. */
export async function writeWeights(folder: string, params: Tree): Promise<void> {
  await writeTensors(directory(folder), 'weights.safetensors', parametersOf(params));
}

export async function readWeights(folder: string, params: Tree): Promise<void> {
  assignStored(parametersOf(params), await readTensors(directory(folder), 'weights.safetensors'), folder);
}

/** What the model reads: numbers like those behind a ReLU, or, with `signed`, like normalised pixels. */
export async function writeInput(folder: string, shape: number[], signed = false): Promise<void> {
  const values = seed.fork('input').normal(tf.util.sizeFromShape(shape));
  for (const [i, value] of values.entries()) values[i] = 0.5 * (signed ? value : Math.max(value, 0));
  const input = tf.tensor(values, shape);
  await writeTensors(directory(folder), 'input.safetensors', new Map([['input', input]]));
  input.dispose();
}

export async function readInput<T extends tf.Tensor>(folder: string): Promise<T> {
  const stored = await readTensors(directory(folder), 'input.safetensors');
  return tensorOf(stored.get('input')!) as T;
}
