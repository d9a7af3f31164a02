import * as tf from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { copyRun, hasWords, onHeap } from './heap';

/** GatherV2, row by row instead of value by value. */
export function fastGather(stock: tf.KernelFunc): tf.KernelFunc {
  return (params) => {
    const { x, indices } = params.inputs as { x: tf.TensorInfo; indices: tf.TensorInfo };
    const { axis, batchDims } = params.attrs as unknown as { axis: number; batchDims: number };
    if (batchDims !== 0 || !hasWords(x) || indices.dtype !== 'int32') return stock(params);
    const along = tf.util.parseAxisParam(axis, x.shape)[0]!;
    const [before, after] = [x.shape.slice(0, along), x.shape.slice(along + 1)];
    const [outer, length, inner] = [tf.util.sizeFromShape(before), x.shape[along]!, tf.util.sizeFromShape(after)];

    const wasm = params.backend as BackendWasm;
    const out = wasm.makeOutput([...before, ...indices.shape, ...after], x.dtype);
    const { heap, at } = onHeap(wasm, x, out);
    const rows = wasm.typedArrayFromHeap(indices);
    const outside = rows.find((row) => row < 0 || row >= length);
    if (outside !== undefined) {
      wasm.disposeData(out.dataId);
      throw new RangeError(
        `gather: index ${outside} is outside of [0, ${length}), the size of axis ${along} of [${x.shape}].`,
      );
    }
    for (let block = 0, to = at[1]!; block < outer; block++)
      for (let i = 0; i < rows.length; i++, to += inner)
        copyRun(heap, to, at[0]! + (block * length + rows[i]!) * inner, inner);
    return out;
  };
}

/** Tile, as copies put behind one another: wasm works out the place of every value by itself. */
export function fastTile(stock: tf.KernelFunc): tf.KernelFunc {
  return (params) => {
    const { x } = params.inputs as { x: tf.Tensor };
    const { reps } = params.attrs as unknown as { reps: number[] };
    if (!hasWords(x) || x.size * tf.util.sizeFromShape(reps) < 4096) return stock(params);
    return tf.tidy(() => {
      let tiled: tf.Tensor = tf.reshape(x, x.shape);
      for (const [axis, count] of reps.entries())
        if (count > 1) tiled = tf.concat(Array<tf.Tensor>(count).fill(tiled), axis);
      return tiled;
    });
  };
}
