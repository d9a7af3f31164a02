import type * as tf from '@tensorflow/tfjs';
import { DataError, expectPositive, UsageError } from '../core/errors';
import { writeJSON } from './checkpoint';
import { type StoredTensor, storeFloat32, storeInt32, writeSafetensors } from './safetensors';
import type { Store } from './types';

export type SaveStateDictOptions = {
  /** Most bytes of tensors per file; a model that is larger becomes several files and an index. By default 2e9. */
  shardSize?: number;
  /** Half precision takes half the place; int32 tensors stay as they are. */
  dtype?: 'float32' | 'float16' | 'bfloat16';
  /** Dispose each tensor once it is read, for those that `stateDict` makes. */
  dispose?: boolean;
};

const types = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' } as const;

/**
 * Writes parameters as transformers in Python loads them: `model.safetensors`, or its parts and `model.safetensors.index.json`.
 *
 * @throws DataError where a value is too large for float16
 * @param entries - PyTorch's names, and values in PyTorch's layout, such as `stateDict` gives
 */
export async function saveStateDict(
  store: Store,
  entries: Iterable<readonly [key: string, value: tf.Tensor]>,
  { shardSize = 2e9, dtype = 'float32', dispose = false }: SaveStateDictOptions = {},
): Promise<void> {
  expectPositive('shardSize', shardSize);
  if (!Object.hasOwn(types, dtype))
    throw new UsageError(`dtype is '${dtype}' but should be ${Object.keys(types).join(', ')}.`);
  const shards: [string, StoredTensor][][] = [[]];
  let size = 0;
  let total = 0;
  for (const [key, value] of entries) {
    const stored = await storedOf(key, value, types[dtype]);
    if (dispose) value.dispose();
    if (size + stored.data.length > shardSize && size > 0) {
      shards.push([]);
      size = 0;
    }
    shards.at(-1)!.push([key, stored]);
    size += stored.data.length;
    total += stored.data.length;
  }
  const metadata = [['format', 'pt']] as const;
  if (shards.length === 1) {
    await store.write('model.safetensors', writeSafetensors(shards[0]!, metadata));
    await store.remove('model.safetensors.index.json');
    return;
  }
  const number = (index: number) => `${index}`.padStart(5, '0');
  const fileOf: Record<string, string> = {};
  for (const [index, shard] of shards.entries()) {
    const file = `model-${number(index + 1)}-of-${number(shards.length)}.safetensors`;
    await store.write(file, writeSafetensors(shard, metadata));
    for (const [key] of shard) fileOf[key] = file;
  }
  await writeJSON(store, 'model.safetensors.index.json', { metadata: { total_size: total }, weight_map: fileOf });
  // Readers take the single file first, so one of an earlier model must not stay.
  await store.remove('model.safetensors');
}

async function storedOf(key: string, value: tf.Tensor, dtype: 'F32' | 'F16' | 'BF16'): Promise<StoredTensor> {
  if (value.dtype !== 'float32' && value.dtype !== 'int32')
    throw new UsageError(`'${key}' of type ${value.dtype} cannot be saved as a weight. Cast it with tf.cast first.`);
  const values = await value.data();
  if (value.dtype === 'int32') return storeInt32(values as Int32Array, value.shape);
  // From here on half precision has infinity alone.
  const large =
    dtype === 'F16' && (values as Float32Array).find((each) => Math.abs(each) >= 65520 && Number.isFinite(each));
  if (large)
    throw new DataError(`'${key}' has the value ${large}, which float16 cannot hold. Save as bfloat16 or float32.`);
  return storeFloat32(values as Float32Array, value.shape, dtype);
}
