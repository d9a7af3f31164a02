import { DataError, UsageError } from '../core/errors';
import { safetensorsSource } from './safetensorsSource';
import { shardedSource } from './sharded';
import type { TensorSource } from './tensorSource';
import { torchSource } from './torchSource';
import type { Store } from './types';

/** What published models call their weights, in the order of preference. */
const usual = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
  'model.weights.h5',
  'tf_model.h5',
];

type Open = (store: Store, file: string) => Promise<TensorSource>;

const readers: [ending: RegExp, open: Open][] = [
  [/\.safetensors$/, safetensorsSource],
  [/\.safetensors\.index\.json$/, (store, file) => shardedSource(store, file, safetensorsSource)],
  [/\.(bin|pt|pth|ckpt)$/, torchSource],
  [/\.bin\.index\.json$/, (store, file) => shardedSource(store, file, torchSource)],
  // Loaded when asked for: the library that reads these files is large.
  [/\.(h5|hdf5|keras)$/, async (store, file) => (await import('./kerasSource')).kerasSource(store, file)],
];

/**
 * The weights of a model, in safetensors (one file or several), as PyTorch saves them, or as Keras does. Names and shapes are
 * read now; the values of each tensor when it is asked for, so that memory holds one file's tensor at a time.
 *
 * `options.file`: which file, where there are several or it has a name of its own
 * @throws DataError where there are no weights, or the file is damaged or holds more than tensors
 */
export async function openWeights(store: Store, { file }: { file?: string } = {}): Promise<TensorSource> {
  const found = file ?? (await findWeights(store));
  const reader = readers.find(([ending]) => ending.test(found));
  if (!reader)
    throw new UsageError(
      `'${found}' is no file of weights that can be read. It should end in .safetensors, .bin, .pt, .pth, .h5, .keras, or .index.json.`,
    );
  return reader[1](store, found);
}

async function findWeights(store: Store): Promise<string> {
  for (const name of usual) if ((await store.size(name)) !== undefined) return name;
  // A web server has no list of its files.
  const names = await store.list().catch((error: unknown) => {
    if (error instanceof UsageError) return [];
    throw error;
  });
  const others = names.filter((name) => !name.includes('/') && readers.some(([ending]) => ending.test(name)));
  if (others.length === 1) return others[0]!;
  throw new DataError(
    others.length > 1
      ? `${store.location} holds several files of weights: ${others.join(', ')}. Say which: openWeights(store, { file }).`
      : `There are no weights in ${store.location}: none of ${usual.join(', ')}. Name the file: openWeights(store, { file }).`,
  );
}
