import * as tf from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { copyRun, hasWords, onHeap } from './heap';

/**
 * Slice: wasm copies the whole input to JavaScript first, so that cutting a large tensor into its steps takes quadratic
 * time.
 */
export function fastSlice(stock: tf.KernelFunc): tf.KernelFunc {
  return (params) => {
    const { x } = params.inputs as { x: tf.Tensor };
    if (!hasWords(x)) return stock(params);
    const { begin, size } = params.attrs as unknown as { begin: number | number[]; size: number | number[] };
    const [first, shape] = tf.slice_util.parseSliceParams(x, begin, size) as [number[], number[]];
    return copyBlock(params.backend as BackendWasm, x, first, shape);
  };
}

/** SplitV by the same blocks. */
export function fastSplit(stock: tf.KernelFunc): tf.KernelFunc {
  return (params) => {
    const { x } = params.inputs as { x: tf.Tensor };
    if (!hasWords(x)) return stock(params);
    const { numOrSizeSplits, axis } = params.attrs as unknown as { numOrSizeSplits: number | number[]; axis: number };
    const along = tf.util.parseAxisParam(axis, x.shape)[0]!;
    const begin = x.shape.map(() => 0);
    return tf.backend_util.prepareSplitSize(x, numOrSizeSplits, along).map((length) => {
      const part = copyBlock(params.backend as BackendWasm, x, begin, x.shape.with(along, length));
      begin[along]! += length;
      return part;
    });
  };
}

/** The block [size] of x that starts at `begin`. */
function copyBlock(wasm: BackendWasm, x: tf.TensorInfo, begin: number[], size: number[]): tf.TensorInfo {
  const out = wasm.makeOutput(size, x.dtype);
  const { heap, at } = onHeap(wasm, x, out);

  // Axes from `whole` on are taken entirely; with the one before them they make a run of values that lie together.
  let whole = x.shape.length;
  while (whole > 0 && size[whole - 1] === x.shape[whole - 1]) whole--;
  const outer = size.slice(0, Math.max(0, whole - 1));
  const run = tf.util.sizeFromShape(size.slice(outer.length));
  const strides = x.shape.map((_, axis) => tf.util.sizeFromShape(x.shape.slice(axis + 1)));
  let source = at[0]! + begin.reduce((sum, start, axis) => sum + start * strides[axis]!, 0);

  const index = outer.map(() => 0);
  const count = tf.util.sizeFromShape(outer);
  for (let block = 0; block < count; block++) {
    copyRun(heap, at[1]! + block * run, source, run);
    for (let axis = outer.length - 1; axis >= 0; axis--) {
      source += strides[axis]!;
      if (++index[axis]! < outer[axis]!) break;
      source -= index[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
