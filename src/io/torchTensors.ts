import { DataError } from '../core/errors';
import { Persistent, type PickleRules } from './pickle';
import type { SafetensorsType } from './safetensors';

/** A run of numbers that tensors look into; `key` names it in the file. */
export type Storage = { key: string; dtype: SafetensorsType; length: number };

/** Counted in numbers, not bytes: where the tensor begins in its storage, and how far apart its items lie on each axis. */
export type TorchTensor = {
  storage: Storage;
  offset: number;
  shape: readonly number[];
  strides: readonly number[];
  dtype: SafetensorsType;
};

const storageTypes: Record<string, SafetensorsType> = {
  'torch.DoubleStorage': 'F64',
  'torch.FloatStorage': 'F32',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
};

const calls: Record<string, (args: readonly unknown[]) => unknown> = {
  'collections.OrderedDict': orderedDictionary,
  'torch._utils._rebuild_tensor': ([storage, offset, shape, strides]) => tensor(storage, offset, shape, strides),
  'torch._utils._rebuild_tensor_v2': ([storage, offset, shape, strides]) => tensor(storage, offset, shape, strides),
  'torch._utils._rebuild_parameter': ([value]) => value,
};

/** What a pickle of PyTorch may name: dictionaries, storages of numbers, and tensors that look into them. */
export const torchRules: PickleRules = {
  allowed: new Set([...Object.keys(calls), ...Object.keys(storageTypes)]),
  call: (name, args) => (Object.hasOwn(calls, name) ? calls[name]!(args) : undefined),
};

/**
 * The tensors of what was saved, by name; dictionaries in dictionaries give names with dots. Plain values beside them, such as the
 * number of an epoch, are passed over.
 *
 * @throws DataError where there are none, or a dictionary holds itself
 */
export function namedTensors(value: unknown): Map<string, TorchTensor> {
  const found = new Map<string, TorchTensor>();
  const seen = new Set<unknown>();
  const walk = (node: unknown, path: string): void => {
    if (isTensor(node)) {
      if (found.has(path)) throw unfit(`it names '${path}' twice`);
      found.set(path, node);
    } else if (node instanceof Map) {
      if (seen.has(node)) throw unfit('it holds one dictionary in two places');
      seen.add(node);
      for (const [key, item] of node) walk(item, path === '' ? `${key}` : `${path}.${key}`);
    }
  };
  walk(value, '');
  if (found.size === 0)
    throw new DataError('There are no tensors in it. Save model.state_dict() in Python, not the model itself.');
  return found;
}

function orderedDictionary([items = []]: readonly unknown[]): Map<unknown, unknown> {
  if (!Array.isArray(items) || !items.every((item) => Array.isArray(item) && item.length === 2))
    throw unfit('a dictionary is made of what are no pairs');
  return new Map(items as [unknown, unknown][]);
}

function tensor(given: unknown, offset: unknown, shape: unknown, strides: unknown): TorchTensor {
  const storage = storageOf(given);
  if (
    !isWholeNumbers([offset]) ||
    !isWholeNumbers(shape) ||
    !isWholeNumbers(strides) ||
    shape.length !== strides.length
  )
    throw unfit(`a tensor has shape ${describe(shape)}, strides ${describe(strides)} and offset ${describe(offset)}`);
  const count = shape.reduce((product, size) => product * size, 1);
  const reach = shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, offset as number);
  // A tensor larger than its storage would show one number many times, as `expand` makes it: no limit to its size then.
  if (count > storage.length || (count > 0 && reach >= storage.length))
    throw unfit(`a tensor [${shape}] with strides [${strides}] does not fit its storage of ${storage.length} numbers`);
  return { storage, offset: offset as number, shape: [...shape], strides: [...strides], dtype: storage.dtype };
}

/** ('storage', type, key, device, length) and, in files older than PyTorch 1.6, a view that newer ones do not have. */
function storageOf(given: unknown): Storage {
  const id = given instanceof Persistent ? given.id : undefined;
  if (!Array.isArray(id) || id[0] !== 'storage') throw unfit('a tensor has no storage');
  const [, type, key, , length, view] = id as unknown[];
  const name = (type as { name?: unknown } | undefined)?.name;
  const dtype = typeof name === 'string' && Object.hasOwn(storageTypes, name) ? storageTypes[name] : undefined;
  if (!dtype) throw unfit(`a storage has the type ${describe(name)}`);
  if (typeof key !== 'string' || !isWholeNumbers([length])) throw unfit('a storage has no key or no length');
  if (view !== undefined)
    throw new DataError(
      'It was saved by a PyTorch older than 0.4, whose files are not read. Save it again by a newer one.',
    );
  return { key, dtype, length: length as number };
}

const isTensor = (value: unknown): value is TorchTensor =>
  typeof value === 'object' && value !== null && 'storage' in value && 'strides' in value;

const isWholeNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((number) => Number.isSafeInteger(number) && number >= 0);

const describe = (value: unknown) => (Array.isArray(value) ? `[${value}]` : `${value}`);

const unfit = (why: string) =>
  new DataError(`The pickle in it does not describe tensors as PyTorch does: ${why}. Fetch or write the file again.`);
