import * as tf from '@tensorflow/tfjs';

/** Large and finite: -Infinity would make NaN where a whole row is masked. */
const FAR_BELOW = -1e9;

/**
 * What is added to the scores of attention so that some places get no weight; undefined where all may be seen.
 *
 * A row that may see nothing gets equal weights everywhere, as in transformers.
 *
 * @param options.causal - a query sees keys up to its own place; where there are more keys than queries, these are the last
 * @param options.keyPaddingMask - [rows, keys], 1 = padding, as in PyTorch
 * @returns to be broadcast to [rows, heads, queries, keys]
 */
export function attentionBias({
  queries,
  keys = queries,
  causal = false,
  keyPaddingMask,
}: {
  queries: number;
  keys?: number;
  causal?: boolean;
  keyPaddingMask?: tf.Tensor2D | undefined;
}): tf.Tensor4D | undefined {
  const future = causal && queries > 1 ? causalMask(queries, keys) : undefined;
  const padding =
    keyPaddingMask && tf.reshape(tf.cast(keyPaddingMask, 'float32'), [keyPaddingMask.shape[0], 1, 1, keys]);
  const hidden = future && padding ? tf.maximum<tf.Tensor4D>(future, padding) : (future ?? padding);
  return hidden && tf.mul<tf.Tensor4D>(hidden, FAR_BELOW);
}

/** [1, 1, queries, keys], 1 where a key comes after the query */
function causalMask(queries: number, keys: number): tf.Tensor4D {
  const before = keys - queries;
  const values = new Float32Array(queries * keys);
  for (let query = 0; query < queries; query++)
    values.fill(1, query * keys + Math.min(before + query + 1, keys), (query + 1) * keys);
  return tf.tensor4d(values, [1, 1, queries, keys]);
}
