import type * as tf from '@tensorflow/tfjs';
import { DataError } from '../core/errors';

/** The rows of what an embedder gives, which is disposed of. */
export async function rowsOf(embedding: Promise<tf.Tensor2D>): Promise<Float32Array[]> {
  const tensor = await embedding;
  try {
    const [rows, size] = tensor.shape;
    const values = (await tensor.data()) as Float32Array;
    return Array.from({ length: rows }, (_, row) => values.subarray(row * size, (row + 1) * size));
  } finally {
    tensor.dispose();
  }
}

/**
 * The length of a vector that has a direction.
 *
 * @param what - for the message
 * @throws DataError where its numbers are all 0 or one is not finite
 */
export function lengthOf(vector: ArrayLike<number>, what: () => string): number {
  const size = vector.length;
  let largest = 0;
  for (let i = 0; i < size; i++) {
    const value = Math.abs(vector[i]!);
    if (!(value < Infinity))
      throw new DataError(`${what()} holds ${vector[i]} at ${i}; its numbers have to be finite.`);
    if (value > largest) largest = value;
  }
  if (largest === 0)
    throw new DataError(`${what()} has ${size} numbers, none of them above or below 0: it has no direction.`);
  let squares = 0;
  for (let i = 0; i < size; i++) {
    const share = vector[i]! / largest; // so that no square overflows or vanishes
    squares += share * share;
  }
  return largest * Math.sqrt(squares);
}

/**
 * The vector of length 1 in the same direction.
 *
 * @throws DataError as `lengthOf`
 */
export function unitLength(vector: ArrayLike<number>, what: string): Float64Array {
  const length = lengthOf(vector, () => what);
  return Float64Array.from(vector, (value) => value / length);
}
