import { DataError } from '../core/errors';
import type { WeightSource } from '../core/spec';
import { float32Values, type SafetensorsType, type StoredTensor } from './safetensors';
import type { Store } from './types';

/** Tensors of a file or of several, of which each is read when it is asked for. */
export type TensorSource = Omit<WeightSource, 'tensors'> & {
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly dtype: SafetensorsType }>;
};

/** A source whose tensors are where `locate` says, by name. */
export function tensorSource<T extends { shape: readonly number[]; dtype: SafetensorsType }>(
  where: string,
  tensors: ReadonlyMap<string, T>,
  bytesOf: (tensor: T, name: string) => Promise<Uint8Array>,
): TensorSource {
  return {
    where,
    tensors,
    async read(name) {
      const tensor = tensors.get(name);
      if (!tensor) throw new DataError(`There is no tensor '${name}' in ${where}.`);
      const { dtype, shape } = tensor;
      return float32Values({ dtype, shape, data: await bytesOf(tensor, name) } satisfies StoredTensor);
    },
  };
}

/** The size of a file that has to be there. */
export async function sizeOf(store: Store, file: string): Promise<number> {
  const size = await store.size(file);
  if (size === undefined) throw new DataError(`'${file}' is not in ${store.location}.`);
  return size;
}

/** Runs what reads a file and says in every error which file it is. */
export async function named<T>(store: Store, file: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (!(cause instanceof DataError) || cause.message.includes(store.location)) throw cause;
    throw new DataError(`${file} in ${store.location}: ${cause.message}`, { cause });
  }
}
