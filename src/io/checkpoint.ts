import * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import { DataError } from '../core/errors';
import { assignParameters } from '../core/parameters';
import { problemsOf } from '../core/schema';
import { float32Values, readSafetensors, type StoredTensor, storeFloat32, writeSafetensors } from './safetensors';
import type { Store } from './types';

/** Reads a JSON file of a store and checks it. */
export async function readJSON<S extends v.GenericSchema>(
  store: Store,
  name: string,
  schema: S,
): Promise<v.InferOutput<S>> {
  const text = new TextDecoder().decode(await store.read(name));
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new DataError(
      `${name} in ${store.location} is not JSON: ${(error as Error).message}. Was it cut short, or edited?`,
      { cause: error },
    );
  }
  const checked = v.safeParse(schema, value);
  if (checked.success) return checked.output;
  const problems = problemsOf(checked.issues, '(the whole file)');
  throw new DataError(`${name} in ${store.location} is not what this version expects:\n  ${problems.join('\n  ')}`);
}

export async function writeJSON(store: Store, name: string, value: unknown): Promise<void> {
  await store.write(name, new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`));
}

/** Reads a safetensors file of a store; an error says which file of which store. */
export async function readTensors(store: Store, name: string): Promise<Map<string, StoredTensor>> {
  const bytes = await store.read(name);
  try {
    return readSafetensors(bytes).tensors;
  } catch (error) {
    throw new DataError(`${name} in ${store.location}: ${(error as Error).message}`, { cause: error });
  }
}

/** Writes tensors as float32 or, at half the size, float16. They stay the caller's. */
export async function writeTensors(
  store: Store,
  name: string,
  tensors: ReadonlyMap<string, tf.Tensor>,
  dtype: 'F32' | 'F16' = 'F32',
): Promise<void> {
  const stored: [string, StoredTensor][] = [];
  for (const [path, tensor] of tensors)
    stored.push([path, storeFloat32((await tensor.data()) as Float32Array, tensor.shape, dtype)]);
  await store.write(name, writeSafetensors(stored));
}

/** A float32 tensor of what was stored, whatever its type; belongs to the caller. */
export function tensorOf(stored: StoredTensor): tf.Tensor {
  return tf.tensor(float32Values(stored), [...stored.shape]);
}

/** Gives parameters their stored values; see `assignParameters` for what is checked. */
export function assignStored(
  parameters: ReadonlyMap<string, tf.Variable>,
  stored: ReadonlyMap<string, StoredTensor>,
  where: string,
): void {
  const shapes = new Map([...stored].map(([name, { shape }]) => [name, shape]));
  assignParameters(parameters, shapes, (name) => tensorOf(stored.get(name)!), where);
}
