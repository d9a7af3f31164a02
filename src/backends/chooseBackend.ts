import * as tf from '@tensorflow/tfjs';
import { UsageError } from '../core/errors';
import { proveBackend } from './proveBackend';
import type { BackendDescription, BackendName, Candidate, SelectBackendOptions } from './types';
import { askedForCpu } from './warnIfPlainCpu';

const reason = (error: unknown) => (error instanceof Error ? error.message : String(error));

/**
 * Takes the first candidate that starts and computes right.
 *
 * @param candidates - all that exist here, fastest first
 * @throws UsageError if a preferred backend does not exist here
 * @throws Error with every reason if none of them works; the backend is then the one that it was
 */
export async function chooseBackend(
  candidates: readonly Candidate[],
  options: SelectBackendOptions,
): Promise<BackendDescription> {
  const wanted = preferred(candidates, options.prefer);
  const before = tf.getBackend();
  const tried: BackendDescription['tried'] = [];
  for (const { name, start } of wanted) {
    try {
      const { threads, versions } = await start(options);
      await proveBackend();
      if (name === 'cpu') askedForCpu();
      const all = { tfjs: tf.version.tfjs, ...versions };
      return { name, ...(threads === undefined ? {} : { threads }), versions: all, tried };
    } catch (error) {
      tried.push({ name, why: reason(error) });
    }
  }
  if (before) await tf.setBackend(before);
  const reasons = tried.map(({ name, why }) => `${name}: ${why}`).join('\n  ');
  throw new Error(`No backend works here.\n  ${reasons}\nLeave out \`prefer\` to take the fastest one that does work.`);
}

function preferred(candidates: readonly Candidate[], prefer: SelectBackendOptions['prefer']): readonly Candidate[] {
  if (prefer === undefined) return candidates;
  return [prefer].flat().flatMap((name: BackendName) => {
    const named = candidates.filter((candidate) => candidate.name === name);
    if (named.length > 0) return named;
    const known = [...new Set(candidates.map((candidate) => candidate.name))].join(', ');
    throw new UsageError(`There is no backend '${name}' here; choose among ${known}.`);
  });
}

/** Makes a backend that is registered with tfjs the current one. */
export async function setBackend(name: string): Promise<void> {
  if (await tf.setBackend(name)) return;
  throw new Error(`tfjs could not start its '${name}' backend here.`);
}

/** Plain JavaScript: slow, but there is nothing that it needs. */
export const cpu: Candidate = {
  name: 'cpu',
  start: async () => {
    await setBackend('cpu');
    return { threads: 1, versions: {} };
  },
};
