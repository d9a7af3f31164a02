/** How far the largest of a row's values lies from 0 in its codes. */
const CODE_LIMIT = 127;

/** What a number loses its fraction to when it is added and taken away again, faster than by `Math.round`. */
const WHOLE = 1.5 * 2 ** 52;

/**
 * The nearest int8 codes of a row: row = scale * codes + a rest of length `residual`. `scale` is a float32 and `residual` one
 * that is not below the true length, so that bounds made of them hold.
 *
 * @param codes - written into; as long as the row, or longer
 */
export function quantiseRow(row: Float32Array, codes: Int8Array): { scale: number; residual: number } {
  const size = row.length;
  let largest = 0;
  for (let i = 0; i < size; i++) {
    const value = Math.abs(row[i]!);
    if (value > largest) largest = value;
  }
  const scale = Math.fround(largest / CODE_LIMIT);
  const perScale = 1 / scale;
  let squares = 0;
  for (let i = 0; i < size; i++) {
    const value = row[i]!;
    const code = value * perScale + WHOLE - WHOLE; // within the limit: perScale is off by less than half a code
    codes[i] = code;
    const rest = value - scale * code;
    squares += rest * rest;
  }
  return { scale, residual: Math.fround(Math.sqrt(squares) * (1 + 2 ** -20)) };
}

/** 1 / the length of a row of codes: what makes its direction a vector of length 1. */
export function unitScale(codes: Int8Array): number {
  let squares = 0;
  for (let i = 0; i < codes.length; i++) squares += codes[i]! * codes[i]!;
  return 1 / Math.sqrt(squares);
}

/**
 * The nearest int16 codes of a query, so small that no product with a row of int8 codes leaves 32 bits.
 *
 * @param codes - written into; as long as the query, or longer
 * @returns query = scale * codes + a rest of length `residual`
 */
export function quantiseQuery(query: Float64Array, codes: Int16Array): { scale: number; residual: number } {
  const limit = Math.min(2 ** 15 - 1, Math.floor((2 ** 31 - 1) / (CODE_LIMIT * query.length)));
  let largest = 0;
  for (const value of query) largest = Math.max(largest, Math.abs(value));
  const scale = largest / limit;
  let squares = 0;
  for (let i = 0; i < query.length; i++) {
    codes[i] = Math.round(query[i]! / scale);
    squares += (query[i]! - scale * codes[i]!) ** 2;
  }
  return { scale, residual: Math.sqrt(squares) };
}
