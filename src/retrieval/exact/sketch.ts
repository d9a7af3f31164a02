import { Random } from '../../core/random';
import type { VectorTable } from './vectorTable';

/** Rows that directions are found from: those with even numbers, spread over all. */
const SAMPLE = 512;
/** More make directions better ones and change no result. */
const ROUNDS = 2;

/**
 * Orthonormal directions in which many of the rows lie, those with the most of them first, by orthogonal iteration from seeded draws.
 *
 * @param count - at most as many as a row has numbers
 */
export function mainDirections(table: VectorTable, count: number): Float64Array[] {
  const { size } = table;
  const step = Math.max(1, Math.floor(table.count / SAMPLE));
  const rows = Array.from({ length: Math.min(SAMPLE, table.count) }, (_, i) => table.vector((i * step) & ~1));
  const random = new Random(0).fork('directions');
  const drawn = (name: number) => Float64Array.from(random.fork(name).normal(size));
  let directions = orthonormal(
    Array.from({ length: count }, (_, i) => drawn(i)),
    drawn,
  );
  for (let round = 0; round < ROUNDS; round++) {
    const turned = directions.map((direction) => {
      const sum = new Float64Array(size);
      for (const row of rows) {
        const along = product(row, direction);
        for (let i = 0; i < size; i++) sum[i]! += along * row[i]!;
      }
      return sum;
    });
    directions = orthonormal(turned, drawn);
  }
  return directions;
}

/**
 * A row as few numbers: its products with the directions, and the length of what lies in none of them. Products of sketches are at least those of
 * the rows (Cauchy and Schwarz), and their distances at most.
 */
export function sketchOf(row: Float32Array, directions: readonly Float64Array[]): Float64Array {
  const sketch = new Float64Array(directions.length + 1);
  let rest = product(row, row);
  for (const [i, direction] of directions.entries()) {
    const along = product(row, direction);
    sketch[i] = along;
    rest -= along * along;
  }
  sketch[directions.length] = Math.sqrt(Math.max(0, rest));
  return sketch;
}

/** Each without what lies in those before it, at length 1; one of which nothing is left is drawn anew. */
function orthonormal(vectors: readonly Float64Array[], drawn: (name: number) => Float64Array): Float64Array[] {
  const found: Float64Array[] = [];
  for (const vector of vectors) {
    let next = vector;
    for (let name = vectors.length; !purify(next, found); name++) next = drawn(name);
    found.push(next);
  }
  return found;
}

/** False where next to nothing of the vector is left. */
function purify(vector: Float64Array, others: readonly Float64Array[]): boolean {
  const before = Math.sqrt(product(vector, vector));
  // Twice, for what rounding leaves the first time.
  for (let round = 0; round < 2; round++)
    for (const other of others) {
      const along = product(vector, other);
      for (let i = 0; i < vector.length; i++) vector[i]! -= along * other[i]!;
    }
  const length = Math.sqrt(product(vector, vector));
  if (!(length > 1e-6 * before)) return false;
  for (let i = 0; i < vector.length; i++) vector[i]! /= length;
  return true;
}

export function product(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
