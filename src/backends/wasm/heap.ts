import type * as tf from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';

/**
 * The backend's memory, and where each tensor begins in it. To be asked for after the outputs were made, since making a
 * tensor may move the memory.
 */
export function onHeap(wasm: BackendWasm, ...tensors: tf.TensorInfo[]): { heap: Float32Array; at: number[] } {
  const heap = new Float32Array(wasm.typedArrayFromHeap(tensors[0]!).buffer);
  return { heap, at: tensors.map(({ dataId }) => wasm.getMemoryOffset(dataId) / 4) };
}

/** Whether the values take four bytes each, so that they can be moved as float32 without looking at them. */
export const hasWords = ({ dtype }: tf.TensorInfo) => dtype === 'float32' || dtype === 'int32';

/** Copies a run of values that lie together. */
export function copyRun(heap: Float32Array, to: number, from: number, length: number): void {
  if (length >= 32) heap.copyWithin(to, from, from + length);
  else for (let i = 0; i < length; i++) heap[to + i] = heap[from + i]!;
}
