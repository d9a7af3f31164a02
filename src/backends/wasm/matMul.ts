import * as tf from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { onHeap } from './heap';
import { thinProduct } from './thinProduct';

/** With fewer rows on the left, laying out the right side for the fast path takes longer than the product itself. */
const FEW_ROWS = 8;

const batchSize = (x: tf.Tensor) => tf.util.sizeFromShape(x.shape.slice(0, -2));

function swapLastAxes(x: tf.Tensor): tf.Tensor {
  const axes = [...x.shape.keys()];
  return tf.transpose(x, [...axes.slice(0, -2), axes.length - 1, axes.length - 2]);
}

/**
 * Products on wasm are fast (XNNPACK) only as one plain product of two matrices; transposed or batched ones run in a
 * loop twenty times slower, and every gradient of a product is a transposed one. So transpose first, and take
 * batches apart.
 *
 * @param stock - the kernel that wasm comes with
 */
export function fastMatMul(stock: tf.KernelFunc): tf.KernelFunc {
  return ({ inputs, backend, attrs }) => {
    const { a, b } = inputs as { a: tf.Tensor; b: tf.Tensor };
    const { transposeA, transposeB } = attrs as { transposeA: boolean; transposeB: boolean };
    const [rows, inner] = (transposeA ? a.shape.slice(-2).reverse() : a.shape.slice(-2)) as [number, number];
    const columns = b.shape.at(transposeB ? -2 : -1)!;
    const batch = batchSize(a);

    if (batch === batchSize(b) && rows < FEW_ROWS && (batch > 1 || transposeB)) {
      const out = (backend as BackendWasm).makeOutput([...a.shape.slice(0, -2), rows, columns], 'float32');
      const { heap, at } = onHeap(backend as BackendWasm, a, b, out);
      const [left, right, to] = at as [number, number, number];
      for (let i = 0; i < batch; i++) {
        const places = [left + i * rows * inner, right + i * inner * columns, to + i * rows * columns] as const;
        thinProduct(heap, ...places, { rows, inner, columns, transposeA, transposeB });
      }
      return out;
    }

    const product = (x: tf.Tensor, y: tf.Tensor) => {
      const plain = { transposeA: false, transposeB: false };
      return tf
        .engine()
        .makeTensorFromTensorInfo(stock({ inputs: { a: x, b: y }, backend, attrs: plain }) as tf.TensorInfo);
    };
    return tf.tidy(() => {
      const left = transposeA ? swapLastAxes(a) : a;
      const right = transposeB ? swapLastAxes(b) : b;
      if (batch === 1 || (batchSize(b) !== 1 && batchSize(b) !== batch)) return product(left, right);

      const lefts = tf.reshape(left, [batch * rows, inner]);
      const rights = tf.reshape(right, [-1, columns]);
      const of = (x: tf.Tensor2D, i: number, height: number) => tf.slice(x, [i * height, 0], [height, x.shape[1]]);
      const all =
        batchSize(b) === 1
          ? product(lefts, rights)
          : tf.concat(
              Array.from({ length: batch }, (_, i) =>
                product(of(lefts as tf.Tensor2D, i, rows), of(rights as tf.Tensor2D, i, inner)),
              ),
              0,
            );
      const leading = tf.broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
      return tf.reshape(all, [...leading, rows, columns]);
    });
  };
}
