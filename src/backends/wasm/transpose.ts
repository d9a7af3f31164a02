import * as tf from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { copyRun, hasWords, onHeap } from './heap';

/** Rows that are turned into columns together, so that reading and writing both stay within the processor's cache. */
const TILE = 16;

/** Transpose: where two neighbouring groups of axes change places, tile by tile instead of value by value. */
export function fastTranspose(stock: tf.KernelFunc): tf.KernelFunc {
  return (params) => {
    const { x } = params.inputs as { x: tf.TensorInfo };
    const { perm } = params.attrs as unknown as { perm: number[] };
    const groups = neighbouringGroups(x.shape, perm);
    if (!groups || !hasWords(x)) return stock(params);
    const [outer, rows, columns, inner] = groups;
    const wasm = params.backend as BackendWasm;
    const out = wasm.makeOutput(
      perm.map((axis) => x.shape[axis]!),
      x.dtype,
    );
    const { heap, at } = onHeap(wasm, x, out);
    const size = rows * columns * inner;
    for (let matrix = 0; matrix < outer; matrix++) {
      const [from, to] = [at[0]! + matrix * size, at[1]! + matrix * size];
      if (inner === 1) transposeMatrix(heap, from, columns, to, rows, rows, columns);
      else
        for (let row = 0; row < rows; row++)
          for (let column = 0; column < columns; column++)
            copyRun(heap, to + (column * rows + row) * inner, from + (row * columns + column) * inner, inner);
    }
    return out;
  };
}

/**
 * Writes the transpose of a matrix [rows, columns] at `to`.
 *
 * @param rowStride - values from one row to the next where it is read
 * @param columnStride - values from one column to the next where it is written
 */
export function transposeMatrix(
  heap: Float32Array,
  from: number,
  rowStride: number,
  to: number,
  columnStride: number,
  rows: number,
  columns: number,
): void {
  for (let first = 0; first < rows; first += TILE) {
    const count = Math.min(TILE, rows - first);
    for (let column = 0; column < columns; column++) {
      let source = from + first * rowStride + column;
      const target = to + column * columnStride + first;
      for (let row = 0; row < count; row++, source += rowStride) heap[target + row] = heap[source]!;
    }
  }
}

/** The sizes of four groups of axes if the permutation swaps the middle two and leaves the outer two where they are. */
function neighbouringGroups(shape: number[], perm: number[]): [number, number, number, number] | undefined {
  const kept = [...shape.keys()].filter((axis) => shape[axis] !== 1);
  const order = perm.filter((axis) => shape[axis] !== 1).map((axis) => kept.indexOf(axis));
  const begin = order.findIndex((axis, i) => axis !== i);
  if (begin < 0) return undefined;
  const end = order.findLastIndex((axis, i) => axis !== i) + 1;
  const split = order[begin]!;
  const swapped = order.slice(begin, end).every((axis, i) => axis === begin + ((split - begin + i) % (end - begin)));
  if (!swapped) return undefined;
  const sizes = kept.map((axis) => shape[axis]!);
  const size = (from: number, to?: number) => tf.util.sizeFromShape(sizes.slice(from, to));
  return [size(0, begin), size(begin, split), size(split, end), size(end)];
}
