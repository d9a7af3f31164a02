import type { File } from 'h5wasm';
import { DataError } from '../core/errors';
import { type Bytes, type Hdf5Library, type Step, withHDF5 } from './hdf5';
import { kerasVariables, type Variable } from './kerasVariables';
import { float32Values, tensorWidths } from './safetensors';
import { named, sizeOf, type TensorSource } from './tensorSource';
import type { Store } from './types';
import { readZipDirectory, zipRange } from './zip';

/**
 * The weights of a Keras model: an `.h5` of Keras 1, 2 or 3 (whole model or weights alone), a `.weights.h5` of Keras 3, or a `.keras`
 * archive. Each is read when it is asked for.
 *
 * Names are Keras's own, such as `lstm/lstm_cell/kernel`, without the `:0` of older files; in a `.weights.h5`, which numbers the
 * variables of a layer, they are made of the layers' names and the kinds of the layers, and of a kind that is not known
 * or has another number of variables they keep the number, as in `layer/vars/0`. Where two weights
 * would have one name, all get that of the group in the file before theirs.
 *
 * @throws DataError where the file is damaged, or holds what are no plain arrays of numbers
 */
export function kerasSource(store: Store, file: string): Promise<TensorSource> {
  return named(store, file, async () => {
    const bytes = file.endsWith('.keras') ? await weightsInArchive(store, file) : await wholeFile(store, file);
    const variables = await withHDF5(bytes, (root, step, library) => kerasVariables(root, step, library, bytes.size));
    if (variables.size === 0)
      throw new DataError('There are no weights in it. Was it saved before the model was built?');
    const where = `${file} in ${store.location}`;
    return {
      where,
      tensors: variables,
      async read(name) {
        const variable = variables.get(name);
        if (!variable) throw new DataError(`There is no tensor '${name}' in ${where}.`);
        return named(store, file, () =>
          withHDF5(bytes, (root, step, library) => readValues(root, step, library, variable)),
        );
      },
    };
  });
}

async function wholeFile(store: Store, file: string): Promise<Bytes> {
  return { size: await sizeOf(store, file), read: (start, end) => store.read(file, { start, end }) };
}

async function weightsInArchive(store: Store, file: string): Promise<Bytes> {
  const entry = (await readZipDirectory(store, file)).get('model.weights.h5');
  if (!entry) throw new DataError('It is an archive without model.weights.h5, not one of Keras.');
  const range = await zipRange(store, file, entry);
  return {
    size: entry.size,
    read: (start, end) => store.read(file, { start: range.start + start, end: range.start + end }),
  };
}

async function readValues(root: File, step: Step, library: Hdf5Library, variable: Variable): Promise<Float32Array> {
  const { path, dtype, shape } = variable;
  const size = shape.reduce((product, side) => product * side, tensorWidths[dtype]);
  if (size === 0) return new Float32Array(0);
  const memory = await library.ready;
  // By hand, because the library's own `value` knows no half precision and takes what it failed to read for numbers.
  const data = await step(() => {
    const place = memory._malloc(size);
    if (place === 0) throw new Error(`there is no memory for the ${size} bytes of '${path}'`);
    try {
      const status = memory.get_dataset_data(root.file_id, path, null, null, null, BigInt(place) as never);
      if (status < 0) throw new Error(`'${path}' cannot be read`);
      return memory.HEAPU8.slice(place, place + size);
    } finally {
      memory._free(place);
    }
  });
  return float32Values({ dtype, shape, data });
}
