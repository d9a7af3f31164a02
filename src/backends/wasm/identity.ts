import type * as tf from '@tensorflow/tfjs';

/**
 * A tensor on the data of another. The stock kernel copies them, and every tensor that is kept for the way back goes through it:
 * that doubled the memory of training.
 */
export function sharingIdentity(stock: tf.KernelFunc): tf.KernelFunc {
  return (given) => {
    const { dataId, shape, dtype } = given.inputs.x as tf.TensorInfo;
    if (dtype === 'string') return stock(given);
    (given.backend as { incRef(dataId: object): void }).incRef(dataId);
    return { dataId, shape, dtype };
  };
}
