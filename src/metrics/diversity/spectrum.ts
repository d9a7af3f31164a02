/**
 * Singular values of a matrix, given by its columns, in no order; of a symmetric one they are the absolute eigenvalues.
 * Pairs of columns are rotated until all are orthogonal; their lengths are then the values (one-sided Jacobi).
 *
 * What is no more than rounding of 0 is 0: the square root in self-CIDEr would make 1e-8 of 1e-16.
 *
 * @see Hestenes 1958, https://doi.org/10.1137/0106005
 */
export function singularValues(columns: readonly (readonly number[])[]): number[] {
  const rotated = columns.map((column) => Float64Array.from(column));
  const precision = Math.max(columns.length, columns[0]?.length ?? 0) * Number.EPSILON;
  const rounding = Math.max(0, ...rotated.map(lengthOf)) * precision;
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    let turned = 0;
    for (const [i, a] of rotated.entries())
      for (const b of rotated.slice(i + 1)) if (orthogonalize(a, b, precision, rounding)) turned++;
    if (turned === 0) break;
  }
  return rotated.map((column) => (lengthOf(column) <= rounding ? 0 : lengthOf(column)));
}

/** Matrices of 20 captions take about ten; the bound is for what nobody foresaw. */
const MAX_SWEEPS = 50;

/** Rotates two columns within their plane, in place, unless they are orthogonal or one is only rounding. */
function orthogonalize(a: Float64Array, b: Float64Array, precision: number, rounding: number): boolean {
  const [aa, bb, ab] = [dot(a, a), dot(b, b), dot(a, b)];
  if (Math.abs(ab) <= precision * Math.sqrt(aa * bb) || Math.min(aa, bb) <= rounding ** 2) return false;
  const cotangent = (bb - aa) / (2 * ab);
  const tangent = (cotangent < 0 ? -1 : 1) / (Math.abs(cotangent) + Math.hypot(1, cotangent));
  const cosine = 1 / Math.hypot(1, tangent);
  const sine = cosine * tangent;
  for (let k = 0; k < a.length; k++) {
    const [x, y] = [a[k]!, b[k]!];
    a[k] = cosine * x - sine * y;
    b[k] = sine * x + cosine * y;
  }
  return true;
}

function lengthOf(column: Float64Array): number {
  return Math.sqrt(dot(column, column));
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
  return sum;
}

/**
 * How evenly the values share their sum, from 0 (one has all of it) to 1: -log(largest / sum) / log(number of values).
 * Of fewer than two values, and where all are 0, the reference would divide 0 by 0; here it is 0.
 *
 * @see Wang and Chan 2019, https://arxiv.org/abs/1903.12020
 */
export function evenness(values: readonly number[]): number {
  const largest = Math.max(0, ...values);
  if (values.length < 2 || largest === 0) return 0;
  const sum = values.reduce((total, value) => total + value, 0);
  return Math.log(sum / largest) / Math.log(values.length);
}
