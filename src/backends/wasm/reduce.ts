import * as tf from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { onHeap } from './heap';

/** Sum and Mean over axes before the last, row upon row; wasm itself transposes first, which takes five times as long. */
export function fastSum(stock: tf.KernelFunc): tf.KernelFunc {
  return (params) => reduce(params, false) ?? stock(params);
}

export function fastMean(stock: tf.KernelFunc): tf.KernelFunc {
  return (params) => reduce(params, true) ?? stock(params);
}

function reduce(params: Parameters<tf.KernelFunc>[0], mean: boolean): tf.TensorInfo | undefined {
  const { x } = params.inputs as { x: tf.TensorInfo };
  const { axis, keepDims } = params.attrs as unknown as { axis: number | number[]; keepDims: boolean };
  const axes = tf.util.parseAxisParam(axis, x.shape).sort((a, b) => a - b);
  const [begin, end] = [axes[0] ?? 0, (axes.at(-1) ?? -1) + 1];
  const inner = tf.util.sizeFromShape(x.shape.slice(end));
  if (x.dtype !== 'float32' || axes.length === 0 || axes.length !== end - begin || inner === 1) return undefined;

  const shape = x.shape.flatMap((size, i) => (i < begin || i >= end ? [size] : keepDims ? [1] : []));
  const wasm = params.backend as BackendWasm;
  const out = wasm.makeOutput(shape, 'float32');
  const { heap, at } = onHeap(wasm, x, out);
  const rows = tf.util.sizeFromShape(x.shape.slice(begin, end));
  for (let outer = 0, count = tf.util.sizeFromShape(x.shape.slice(0, begin)); outer < count; outer++) {
    const [from, to] = [at[0]! + outer * rows * inner, at[1]! + outer * inner];
    addRows(heap, from, to, rows, inner);
    if (mean) for (let i = 0; i < inner; i++) heap[to + i]! /= rows;
  }
  return out;
}

function addRows(heap: Float32Array, from: number, to: number, rows: number, inner: number): void {
  heap.fill(0, to, to + inner);
  const inFours = rows - (rows % 4);
  for (let row = 0; row < inFours; row += 4) {
    const a = from + row * inner;
    const [b, c, d] = [a + inner, a + 2 * inner, a + 3 * inner];
    for (let i = 0; i < inner; i++) heap[to + i]! += heap[a + i]! + heap[b + i]! + (heap[c + i]! + heap[d + i]!);
  }
  for (let row = inFours; row < rows; row++) {
    const a = from + row * inner;
    for (let i = 0; i < inner; i++) heap[to + i]! += heap[a + i]!;
  }
}

/**
 * UnsortedSegmentSum, the gradient of `gather` and so of every embedding: adds the rows of x that have the same id.
 * As on the other backends, rows whose id is outside [0, numSegments) are left out.
 *
 * @param inputs - x [rows, ...rest] and segmentIds [rows] of int32
 * @returns [numSegments, ...rest]
 */
export const segmentSum: tf.KernelFunc = ({ inputs, attrs, backend }) => {
  const { x, segmentIds } = inputs as { x: tf.TensorInfo; segmentIds: tf.TensorInfo };
  const { numSegments } = attrs as { numSegments: number };
  const wasm = backend as BackendWasm;
  const out = wasm.makeOutput([numSegments, ...x.shape.slice(segmentIds.shape.length)], x.dtype);
  const sums = wasm.typedArrayFromHeap(out).fill(0);
  const values = wasm.typedArrayFromHeap(x);
  const ids = wasm.typedArrayFromHeap(segmentIds);
  const size = values.length / ids.length;
  for (let row = 0; row < ids.length; row++) {
    const id = ids[row]!;
    if (id < 0 || id >= numSegments) continue;
    const [from, to] = [row * size, id * size];
    for (let i = 0; i < size; i++) sums[to + i]! += values[from + i]!;
  }
  return out;
};
