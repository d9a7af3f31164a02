import { DataError } from '../core/errors';
import { PickleEnds, readPickle, type Unpickled } from './pickle';
import { tensorWidths } from './safetensors';
import { named, sizeOf, type TensorSource, tensorSource } from './tensorSource';
import { namedTensors, type Storage, type TorchTensor, torchRules } from './torchTensors';
import type { Store } from './types';
import { readZipDirectory, type ZipEntry, zipRange } from './zip';

/** More than any list of tensors takes. */
const MAX_PICKLE = 64 * 2 ** 20;

/** What a file begins with that PyTorch wrote before version 1.6. */
const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;

/**
 * The tensors of a file of `torch.save`, such as `pytorch_model.bin`: the archive of today and the plain one from before
 * PyTorch 1.6. A strict reader: it takes dictionaries of tensors and refuses whatever else the file asks for, by name.
 * Each tensor is read when it is asked for.
 *
 * @throws DataError where the file is damaged or holds more than tensors; all sizes are checked before anything is read
 */
export function torchSource(store: Store, file: string): Promise<TensorSource> {
  return named(store, file, async () => {
    const size = await sizeOf(store, file);
    const first = await store.read(file, { start: 0, end: Math.min(4, size) });
    if (first[0] === 0x50 && first[1] === 0x4b) return archive(store, file);
    if (first[0] === 0x80) return legacy(store, file, size);
    throw new DataError(
      'It is no file of torch.save: it begins neither as an archive nor as a pickle. ' +
        (`${String.fromCharCode(...first)}` === 'vers'
          ? 'It is the pointer of Git LFS; fetch the file itself with git lfs pull.'
          : 'Fetch or write it again.'),
    );
  });
}

async function archive(store: Store, file: string): Promise<TensorSource> {
  const entries = await readZipDirectory(store, file);
  const pickles = [...entries.values()].filter(({ name }) => /^[^/]+\/data\.pkl$/.test(name));
  const [pickle] = pickles;
  if (!pickle || pickles.length > 1) throw new DataError('It is an archive, but not one of torch.save.');
  const root = pickle.name.slice(0, -'data.pkl'.length);
  if (entries.has(`${root}constants.pkl`))
    throw new DataError('It is a TorchScript program, not a state_dict. Save model.state_dict() in Python.');
  const content = async (entry: ZipEntry) => store.read(file, await zipRange(store, file, entry));
  const order = entries.get(`${root}byteorder`);
  if (order && order.size < 16 && new TextDecoder().decode(await content(order)) !== 'little')
    throw new DataError('Its numbers are big-endian, which is not read. Save it on another machine.');
  if (pickle.size > MAX_PICKLE) throw new DataError(`Its pickle has ${pickle.size} bytes, more than tensors need.`);
  const tensors = namedTensors(readPickle(await content(pickle), 0, torchRules).value);
  for (const [name, { storage }] of tensors) {
    const size = entries.get(`${root}data/${storage.key}`)?.size;
    const needed = storage.length * tensorWidths[storage.dtype];
    if (size !== needed)
      throw new DataError(
        `The numbers of '${name}' should take ${needed} bytes but ${size === undefined ? 'are not there' : `take ${size}`}. Was it cut short?`,
      );
  }
  return tensorSource(`${file} in ${store.location}`, tensors, async (tensor) => {
    const { start } = await zipRange(store, file, entries.get(`${root}data/${tensor.storage.key}`)!);
    return valuesOf(store, file, tensor, start);
  });
}

/** Pickles one after the other (a number, a version, the system, what was saved, the keys of storages), then the storages. */
async function legacy(store: Store, file: string, size: number): Promise<TensorSource> {
  const { values, end } = await leadingPickles(store, file, size, 5);
  const [, version, , saved, keys] = values;
  if (version !== 1001) throw new DataError(`It is of version ${version} of the format, where 1001 is read.`);
  const tensors = namedTensors(saved);
  const storages = new Map([...tensors.values()].map(({ storage }) => [storage.key, storage]));
  const starts = await storageStarts(store, file, size, end, keys, storages);
  return tensorSource(`${file} in ${store.location}`, tensors, (tensor) =>
    valuesOf(store, file, tensor, starts.get(tensor.storage.key)!),
  );
}

async function leadingPickles(store: Store, file: string, size: number, count: number) {
  for (let length = 2 ** 20; ; length *= 4) {
    const bytes = await store.read(file, { start: 0, end: Math.min(length, size) });
    try {
      const values: unknown[] = [];
      let at = 0;
      while (values.length < count) {
        const { value, end }: Unpickled = readPickle(bytes, at, torchRules);
        if (values.length === 0 && value !== LEGACY_MAGIC)
          throw new DataError('It is a pickle, but not one of torch.save. Save model.state_dict() with it.');
        values.push(value);
        at = end;
      }
      return { values, end: at };
    } catch (error) {
      if (!(error instanceof PickleEnds) || length >= size || length >= MAX_PICKLE) throw error;
    }
  }
}

/** Where the numbers of each storage begin: they follow each other, each behind its length as a 64-bit number. */
async function storageStarts(
  store: Store,
  file: string,
  size: number,
  start: number,
  keys: unknown,
  storages: ReadonlyMap<string, Storage>,
): Promise<Map<string, number>> {
  if (!Array.isArray(keys)) throw new DataError('Its storages have no list. Fetch or write it again.');
  const starts = new Map<string, number>();
  let at = start;
  for (const key of keys) {
    const storage = storages.get(key as string);
    if (!storage || starts.has(storage.key)) throw new DataError(`Its storage '${key}' belongs to no tensor.`);
    if (at + 8 > size) throw new DataError(`It ends before its storage '${key}'. Was it cut short?`);
    const bytes = await store.read(file, { start: at, end: at + 8 });
    const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(0, true));
    if (length !== storage.length)
      throw new DataError(`Its storage '${key}' has ${length} numbers where its tensors say ${storage.length}.`);
    starts.set(storage.key, at + 8);
    at += 8 + length * tensorWidths[storage.dtype];
    if (at > size) throw new DataError(`Its storage '${key}' reaches beyond its end. Was it cut short?`);
  }
  const absent = [...storages.keys()].filter((key) => !starts.has(key));
  if (absent.length > 0) throw new DataError(`Its storages ${absent.join(', ')} are missing. Was it cut short?`);
  return starts;
}

/** The bytes of a tensor, row by row, of a storage that begins at `start` of the file. */
async function valuesOf(
  store: Store,
  file: string,
  { offset, shape, strides, dtype }: TorchTensor,
  start: number,
): Promise<Uint8Array> {
  const width = tensorWidths[dtype];
  const count = shape.reduce((product, size) => product * size, 1);
  if (count === 0) return new Uint8Array(0);
  const reach = shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, 0);
  const first = start + offset * width;
  const bytes = await store.read(file, { start: first, end: first + (reach + 1) * width });
  return inRows(shape, strides) ? bytes : gathered(bytes, shape, strides, width);
}

/** Whether the items lie row by row without gaps; the stride of an axis of size 1 does not matter. */
function inRows(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 1) continue;
    if (strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}

/** Items that lie `strides` apart, put row by row. */
function gathered(bytes: Uint8Array, shape: readonly number[], strides: readonly number[], width: number): Uint8Array {
  const count = shape.reduce((product, size) => product * size, 1);
  const rows = new Uint8Array(count * width);
  const index = shape.map(() => 0);
  let from = 0;
  for (let item = 0; item < count; item++) {
    for (let byte = 0; byte < width; byte++) rows[item * width + byte] = bytes[from * width + byte]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return rows;
}
