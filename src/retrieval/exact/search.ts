import { Best } from './best';
import { SEGMENT_ROWS } from './memory';
import type { VectorTable } from './vectorTable';

/** A row by its number, and its product with what was asked. */
export type Hit = { row: number; score: number };

/**
 * The `top` rows with the largest products with `vector`, best first; of equal ones the earlier row comes first.
 *
 * The products of all rows are first computed in whole numbers, of int8 codes, which are a quarter of the memory that the rows
 * are. How far such a product can be from the true one is known row by row: by Cauchy and Schwarz at most the length of what
 * the codes leave out. Rows that can be among the best by that bound are then multiplied in float64; the others cannot be, so
 * the result is exact. Of a table that keeps codes alone it is exact for what those stand for.
 *
 * @param vector - of length 1
 */
export function searchExactly(table: VectorTable, vector: Float64Array, top: number): Hit[] {
  const exact = new Best(top);
  const hits: Hit[] = [];
  for (const { row, upper } of candidates(table, vector, top)) {
    if (upper < exact.least) break;
    const score = table.exactly(row, vector);
    exact.offer(score);
    hits.push({ row, score });
  }
  return hits.sort((a, b) => b.score - a.score || a.row - b.row).slice(0, top);
}

/** Rows that can be among the `top` best, and what their products are at most, the largest first. */
function candidates(table: VectorTable, vector: Float64Array, top: number): { row: number; upper: number }[] {
  const { scale, slack } = table.ask(vector);
  const lower = new Best(top);
  let found: { row: number; upper: number }[] = [];
  for (const [index, { scales, residuals, largestScale, largestResidual }] of table.segments.entries()) {
    const start = index * SEGMENT_ROWS;
    const rows = Math.min(SEGMENT_ROWS, table.count - start);
    const largest = Math.max(0, table.memory.multiply(start, rows));
    let least = lower.least;
    if (largest * scale * largestScale + largestResidual + slack < least) continue;
    const products = table.memory.products(index);
    for (let at = 0; at < rows; at++) {
      const product = products[at]! * scale * scales[at]!;
      const error = residuals[at]! + slack;
      if (product + error < least) continue;
      found.push({ row: start + at, upper: product + error });
      lower.offer(product - error);
      least = lower.least;
    }
    found = found.filter(({ upper }) => upper >= least);
  }
  return found.sort((a, b) => b.upper - a.upper);
}
