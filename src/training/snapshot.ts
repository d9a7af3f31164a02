import * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import { DataError } from '../core/errors';
import { assignStored, readJSON, readTensors, tensorOf, writeJSON, writeTensors } from '../io/checkpoint';
import type { Store } from '../io/types';
import type { Parameters } from './gradients';
import type { Optimizer } from './optimizers';

export type TrainingState = {
  /** Steps done since the beginning. */
  step: number;
  /** What must be the same for the run to go on as if it had never stopped. */
  settings: Record<string, unknown>;
  /** The caller's own: best score so far, for example. */
  notes: Record<string, unknown>;
};

const stateSchema = v.object({
  step: v.pipe(v.number(), v.integer(), v.minValue(0)),
  settings: v.record(v.string(), v.unknown()),
  notes: v.optional(v.record(v.string(), v.unknown()), {}),
});

const LATEST = 'training/latest.json';

/**
 * Writes everything that a run needs to go on into `training/<step>/`, then names it in `training/latest.json`, then
 * removes the one before. Whenever this is cut short, `latest.json` names one that is whole.
 */
export async function writeSnapshot(
  store: Store,
  parameters: Parameters,
  optimizer: Optimizer,
  state: TrainingState,
): Promise<void> {
  const folder = `training/${state.step}`;
  await writeTensors(store, `${folder}/model.safetensors`, parameters);
  const kept = await optimizer.state();
  try {
    await writeTensors(store, `${folder}/optimizer.safetensors`, kept);
  } finally {
    tf.dispose([...kept.values()]);
  }
  await writeJSON(store, `${folder}/state.json`, state);
  await writeJSON(store, LATEST, { folder });
  for (const name of await store.list('training/'))
    if (name !== LATEST && !name.startsWith(`${folder}/`)) await store.remove(name);
}

/** Whether a store holds a run that can be resumed. */
export async function hasSnapshot(store: Store): Promise<boolean> {
  return (await store.list('training/')).includes(LATEST);
}

/** The state of the last snapshot, without its tensors. */
export async function readTrainingState(store: Store): Promise<TrainingState & { folder: string }> {
  if (!(await hasSnapshot(store)))
    throw new DataError(
      `${store.location} holds no training to go on with (no ${LATEST}). Train without resuming, or name the folder of a run.`,
    );
  const { folder } = await readJSON(store, LATEST, v.object({ folder: v.string() }));
  return { ...(await readJSON(store, `${folder}/state.json`, stateSchema)), folder };
}

/** Puts parameters and optimizer back to the last snapshot and returns its state. */
export async function readSnapshot(store: Store, parameters: Parameters, optimizer: Optimizer): Promise<TrainingState> {
  const { folder, ...state } = await readTrainingState(store);
  const weights = await readTensors(store, `${folder}/model.safetensors`);
  const kept = await readTensors(store, `${folder}/optimizer.safetensors`);
  assignStored(parameters, weights, `${folder}/model.safetensors in ${store.location}`);
  const tensors = new Map<string, tf.Tensor>();
  try {
    for (const [name, stored] of kept) tensors.set(name, tensorOf(stored));
    await optimizer.restore(tensors);
  } finally {
    tf.dispose([...tensors.values()]);
  }
  return state;
}
