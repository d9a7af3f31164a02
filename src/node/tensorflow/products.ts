import type * as tf from '@tensorflow/tfjs';
import type { TensorflowBackend } from './host';

type Attributes = { transposeA: boolean; transposeB: boolean };

/**
 * Products of two matrices by TensorFlow's MatMul. The operation for batches, which tfjs-node always takes, needs up to
 * twice the processor time for a matrix and one row.
 */
export function matrixProduct(stock: tf.KernelFunc): tf.KernelFunc {
  return (call) => {
    const { a, b } = call.inputs as Record<'a' | 'b', tf.TensorInfo>;
    const flat = a.shape.length === 2 && b.shape.length === 2 && a.dtype === 'float32' && b.dtype === 'float32';
    return flat ? multiply(call.backend as TensorflowBackend, a, b, call.attrs as unknown as Attributes) : stock(call);
  };
}

/** Of matrices of float32. */
export function multiply(
  backend: TensorflowBackend,
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  { transposeA, transposeB }: Attributes,
): tf.Tensor {
  const { TF_ATTR_BOOL, TF_ATTR_TYPE, TF_FLOAT } = backend.binding;
  const attributes = [
    { name: 'T', type: TF_ATTR_TYPE, value: TF_FLOAT },
    { name: 'transpose_a', type: TF_ATTR_BOOL, value: transposeA },
    { name: 'transpose_b', type: TF_ATTR_BOOL, value: transposeB },
  ];
  return backend.executeSingleOutput('MatMul', attributes, [a, b]);
}
