import * as v from 'valibot';
import { DataError } from '../core/errors';
import { readJSON } from './checkpoint';
import type { TensorSource } from './tensorSource';
import type { Store } from './types';

const indexSchema = v.looseObject({ weight_map: v.record(v.string(), v.pipe(v.string(), v.nonEmpty())) });

/**
 * The tensors of a checkpoint in several files, as its index (`model.safetensors.index.json`) lists them.
 *
 * @param open - opens one of the files
 * @throws DataError where a file is missing, lacks a tensor that the index places in it, or has one that another has too
 */
export async function shardedSource(
  store: Store,
  index: string,
  open: (store: Store, file: string) => Promise<TensorSource>,
): Promise<TensorSource> {
  const where = `${index} in ${store.location}`;
  const { weight_map: fileOf } = await readJSON(store, index, indexSchema);
  const files = [...new Set(Object.values(fileOf))].sort();
  const missing: string[] = [];
  for (const file of files) if ((await store.size(file)) === undefined) missing.push(file);
  if (missing.length > 0)
    throw new DataError(
      `${where} names files that are not there: ${missing.join(', ')}. Copy or download all of them.`,
    );
  const owners = new Map<string, TensorSource>();
  const problems: string[] = [];
  for (const file of files) {
    const source = await open(store, file);
    for (const name of source.tensors.keys()) {
      if (owners.has(name)) problems.push(`${name} is in ${file} and in another file`);
      owners.set(name, source);
    }
    for (const [name, wanted] of Object.entries(fileOf))
      if (wanted === file && !source.tensors.has(name)) problems.push(`${name} is not in ${file}`);
  }
  if (problems.length > 0)
    throw new DataError(
      `${where} does not fit the files that it names:\n  ${problems.slice(0, 20).join('\n  ')}\nDo they all belong together?`,
    );
  return {
    where,
    tensors: new Map([...owners].map(([name, source]) => [name, source.tensors.get(name)!])),
    read: async (name) => {
      const source = owners.get(name);
      if (!source) throw new DataError(`There is no tensor '${name}' in ${where}.`);
      return source.read(name);
    },
  };
}
