import * as tf from '@tensorflow/tfjs';

/**
 * Computes a product, a lookup and their gradients on the current backend: x w, and the derivatives of the sum of its
 * squares by w and by the table from which x was looked up. All are small whole numbers, exact even in half precision.
 *
 * @throws Error if a number is not as it should be
 */
export async function proveBackend(): Promise<void> {
  const results = tf.tidy(() => {
    const table = tf.tensor2d([9, 9, 3, 4, 1, 2], [3, 2]);
    const weights = tf.tensor2d([1, 2, 3, 4], [2, 2]);
    const product = (rows: tf.Tensor, w: tf.Tensor) => tf.matMul(tf.gather(rows, tf.tensor1d([2, 1, 2], 'int32')), w);
    const [byTable, byWeights] = tf.grads((rows: tf.Tensor, w: tf.Tensor) => tf.sum(tf.square(product(rows, w))))([
      table,
      weights,
    ]) as [tf.Tensor, tf.Tensor];
    return { product: product(table, weights), byTable, byWeights };
  });
  const expected = {
    product: [7, 10, 15, 22, 7, 10],
    byTable: [0, 0, 118, 266, 108, 244],
    byWeights: [118, 172, 176, 256],
  };
  try {
    for (const [name, numbers] of Object.entries(expected)) {
      const computed = await results[name as keyof typeof expected].data();
      if (numbers.length === computed.length && numbers.every((number, i) => Math.abs(number - computed[i]!) < 0.01))
        continue;
      throw new Error(
        `it computes wrong numbers: ${name} of a small product is [${computed}] but should be [${numbers}].`,
      );
    }
  } finally {
    tf.dispose(results);
  }
}
