import type * as tf from '@tensorflow/tfjs';

/**
 * Checks a tensor where it enters.
 *
 * @param expected - size by axis name, in order; a negative size allows any
 * @throws RangeError with both shapes and the hint
 */
export function expectShape(name: string, tensor: tf.Tensor, expected: Record<string, number>, hint: string): void {
  const sizes = Object.values(expected);
  if (tensor.rank === sizes.length && sizes.every((size, axis) => size < 0 || size === tensor.shape[axis])) return;
  const wanted = Object.entries(expected)
    .map(([axis, size]) => (size < 0 ? axis : `${axis}=${size}`))
    .join(', ');
  throw new RangeError(`${name} has shape [${tensor.shape}] but should be [${wanted}]. ${hint}`);
}
