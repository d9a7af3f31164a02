import { Random } from '../../src/core/random';

/** Vectors of length 1 in directions drawn at random. */
export function randomVectors(count: number, size: number, seed: number): Float32Array[] {
  const values = new Random(seed).normal(count * size);
  return Array.from({ length: count }, (_, i) => unit(values.subarray(i * size, (i + 1) * size)));
}

export function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return vector.map((value) => value / length);
}

/** All products in float64, best first; of equal ones the earlier row first. */
export function bruteForce(vectors: readonly Float32Array[], query: Float32Array): { row: number; score: number }[] {
  const length = Math.sqrt(query.reduce((sum, value) => sum + value * value, 0));
  return vectors
    .map((vector, row) => ({ row, score: vector.reduce((sum, value, i) => sum + value * query[i]!, 0) / length }))
    .sort((a, b) => b.score - a.score || a.row - b.row);
}
