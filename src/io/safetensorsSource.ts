import { headerLength, readHeader } from './safetensors';
import { named, sizeOf, type TensorSource, tensorSource } from './tensorSource';
import type { Store } from './types';

/**
 * The tensors of a safetensors file, each read by itself when it is asked for, so that memory never holds the whole file.
 *
 * @throws DataError where the header does not fit the size of the file, before anything else is read
 */
export function safetensorsSource(store: Store, file: string): Promise<TensorSource> {
  return named(store, file, async () => {
    const size = await sizeOf(store, file);
    const first = await store.read(file, { start: 0, end: Math.min(8, size) });
    const end = 8 + headerLength(first, size);
    const { tensors } = readHeader(await store.read(file, { start: 8, end }), size);
    return tensorSource(`${file} in ${store.location}`, tensors, ({ begin, end: last }) =>
      store.read(file, { start: begin, end: last }),
    );
  });
}
