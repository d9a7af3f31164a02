import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';

const guarded = new WeakSet<object>();

/**
 * Makes the backend say so where its memory, which ends at 4 GiB, has no room for a tensor. By itself it goes on with the
 * address 0 and writes over what lies there.
 */
export function guardMemory({ wasm }: Pick<BackendWasm, 'wasm'>): void {
  if (guarded.has(wasm)) return;
  guarded.add(wasm);
  wasm._free(wasm._malloc(1)); // the first call puts another function in place of the one that is there until then
  const allocate = wasm._malloc.bind(wasm);
  wasm._malloc = (bytes) => {
    const address = allocate(bytes);
    if (address === 0 && bytes > 0)
      throw new RangeError(
        `The wasm backend has no room for ${Math.ceil(bytes / 2 ** 20)} MiB more: its memory ends at 4 GiB, of which ${Math.round(wasm.HEAPU8.length / 2 ** 20)} MiB are in use. ` +
          'Take smaller batches (with gradient accumulation where they are of training), dispose of tensors, or use a native backend.',
      );
    return address;
  };
}
