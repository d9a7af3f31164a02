import type * as tf from '@tensorflow/tfjs';

/** What is used of tfjs-node's backend. */
export type TensorflowBackend = tf.KernelBackend & {
  binding: { TF_ATTR_BOOL: number; TF_ATTR_TYPE: number; TF_FLOAT: number };
  executeSingleOutput(name: string, attributes: readonly OpAttribute[], inputs: readonly tf.TensorInfo[]): tf.Tensor;
};

export type OpAttribute = { name: string; type: number; value: boolean | number };

/** By the tensor's data: numbers that were read or made here. A tensor's numbers never change. */
const known = new WeakMap<object, Float32Array>();

/** The numbers of a float32 tensor, to be read alone. */
export function numbersOf(backend: TensorflowBackend, { dataId }: tf.TensorInfo): Float32Array {
  let numbers = known.get(dataId);
  if (!numbers) {
    numbers = backend.readSync(dataId) as Float32Array;
    known.set(dataId, numbers);
  }
  return numbers;
}

/** A tensor of these numbers, which TensorFlow gets when one of its operations asks for them. */
export function tensorOf(backend: TensorflowBackend, numbers: Float32Array, shape: readonly number[]): tf.TensorInfo {
  const dataId = backend.write(numbers, [...shape], 'float32') as object;
  known.set(dataId, numbers);
  return { dataId, shape: [...shape], dtype: 'float32' };
}
