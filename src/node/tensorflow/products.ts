import * as tf from '@tensorflow/tfjs';
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
    if (!flat) return stock(call);
    const attributes = call.attrs as unknown as Attributes;
    const product = isTurnedSooner(a, b, attributes) ? turnedRound : multiply;
    return product(call.backend as TensorflowBackend, a, b, attributes);
  };
}

/**
 * Whether a few rows against the rows of a large matrix, such as tied embeddings, are sooner found as (b a')': TensorFlow turns
 * all of b otherwise, which for one to four rows it does not, and for many costs no more than turning the result.
 */
function isTurnedSooner(a: tf.TensorInfo, b: tf.TensorInfo, { transposeA, transposeB }: Attributes): boolean {
  const rows = a.shape[0]!;
  return transposeB && !transposeA && rows >= 8 && rows <= 128 && b.shape[0]! * b.shape[1]! >= LARGE;
}

const LARGE = 1024 * 1024;

function turnedRound(backend: TensorflowBackend, a: tf.TensorInfo, b: tf.TensorInfo): tf.TensorInfo {
  const product = multiply(backend, b, a, { transposeA: false, transposeB: true });
  const { kernelFunc } = tf.getKernel('Transpose', 'tensorflow')!;
  const turned = kernelFunc({ inputs: { x: product }, attrs: { perm: [1, 0] }, backend }) as tf.TensorInfo;
  backend.disposeData(product.dataId);
  return turned;
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
