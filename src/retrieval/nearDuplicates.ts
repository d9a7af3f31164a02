import { expectPositive, UsageError } from '../core/errors';
import type { Source } from '../data/streams';
import { SEGMENT_ROWS } from './exact/memory';
import type { VectorTable } from './exact/vectorTable';

export type DuplicateOptions = {
  /** The least cosine of a pair, above 0 and at most 1; by default 0.95. */
  threshold?: number;
  signal?: AbortSignal;
  /** Called with the number of items whose pairs are all known, now and then. */
  onProgress?: (done: number, total: number) => void;
};

/** Two items by their names and the cosine between them; `first` was added before `second`. */
export type DuplicatePair = { first: string; second: string; score: number };

/** Items that belong together because of their pairs, directly or through others, in the order of the pairs. */
export type DuplicateGroup = { ids: string[]; pairs: DuplicatePair[] };

/** Rows whose bound is looked at together. */
const BLOCK = 256;

/** Numbers of a row that are looked at first. */
const PREFIXES = [32, 64, 128, 256];

/** What the row-by-row checks after the prefix cost, in bytes of codes that could be multiplied in that time. */
const CHECK_COST = 1500;

/** A table, and the lengths of what its rows have beyond their first `prefix` numbers. */
type Prefixed = { table: VectorTable; prefix: number; rests: Float32Array; blocks: Block[] };

/** The largest of what is known of the rows of a block. */
type Block = { scale: number; residual: number; rest: number };

/**
 * Pairs of rows whose product is at least `threshold`, by the first and then the second. Exact: of all pairs the products of
 * the first numbers are computed in whole numbers; what the others add is at most the product of their lengths (Cauchy and
 * Schwarz), and only pairs that can reach the threshold by that bound are looked at further. How many numbers come first is
 * chosen so that the whole takes the least time on a sample of the rows.
 */
export async function* duplicateRows(
  table: VectorTable,
  { threshold = 0.95, signal, onProgress }: DuplicateOptions,
): AsyncGenerator<{ first: number; second: number; score: number }> {
  expectPositive('threshold', threshold);
  if (threshold > 1) throw new UsageError(`threshold is ${threshold} but a cosine is 1 at most.`);
  // What rounding takes away from the cosine of a vector with itself is no difference.
  const least = Math.min(threshold, 1 - 1e-6);
  const prefix = choosePrefix(table, least);
  const rests = restLengths(table, prefix, 0, table.count);
  const prefixed: Prefixed = { table, prefix, rests, blocks: blocksOf(table, rests) };
  let rested = performance.now();
  for (let first = 0; first < table.count; first++) {
    if (performance.now() - rested > 50) {
      await new Promise((resolve) => setTimeout(resolve)); // a page stays alive, and a signal is heard
      signal?.throwIfAborted();
      onProgress?.(first, table.count);
      rested = performance.now();
    }
    yield* pairsOf(prefixed, first, least); // an array: what others ask of the table in between does no harm
  }
}

/** The pairs of a row with rows after it. */
function pairsOf(
  { table, prefix, rests, blocks }: Prefixed,
  first: number,
  least: number,
): { first: number; second: number; score: number }[] {
  const vector = Float64Array.from(table.vector(first));
  const { scale, slack } = table.ask(vector);
  const pairs: { first: number; second: number; score: number }[] = [];
  for (let index = Math.floor((first + 1) / BLOCK); index < blocks.length; index++) {
    const start = Math.max(first + 1, index * BLOCK);
    const end = Math.min(table.count, (index + 1) * BLOCK);
    if (start === end) break;
    const block = blocks[index]!;
    const largest = Math.max(0, table.memory.multiply(start, end - start, prefix));
    if (largest * scale * block.scale + block.residual + slack + rests[first]! * block.rest < least) continue;
    const segment = Math.floor(start / SEGMENT_ROWS);
    const { scales, residuals } = table.segments[segment]!;
    const products = table.memory.products(segment);
    for (let second = start; second < end; second++) {
      const at = second % SEGMENT_ROWS;
      const factor = scale * scales[at]!;
      const error = residuals[at]! + slack;
      if (products[at]! * factor + error + rests[first]! * rests[second]! < least) continue;
      if (table.memory.multiply(second, 1) * factor + error < least) continue;
      const score = table.exactly(second, vector);
      if (score >= least) pairs.push({ first, second, score });
    }
  }
  return pairs;
}

/** How many numbers to look at first: what takes the least time on some rows, each with the same others. */
function choosePrefix(table: VectorTable, least: number): number {
  const { count, size } = table;
  const whole = table.memory.stride;
  const others = Math.min(count, BLOCK);
  const step = Math.max(1, Math.floor(count / 64));
  const costs = PREFIXES.filter((prefix) => prefix < size).map((prefix) => {
    const rests = restLengths(table, prefix, 0, others);
    let [asked, passed] = [0, 0];
    for (let row = 0; row < count; row += step) {
      const vector = Float64Array.from(table.vector(row));
      const [rest] = restLengths(table, prefix, row, 1);
      for (let other = 0; other < others; other++, asked++) {
        const values = table.vector(other);
        let product = 0;
        for (let i = 0; i < prefix; i++) product += values[i]! * vector[i]!;
        if (product + rest! * rests[other]! >= least) passed++;
      }
    }
    return { prefix, cost: prefix + (passed / asked) * CHECK_COST };
  });
  return costs.reduce((best, each) => (each.cost < best.cost ? each : best), { prefix: whole, cost: whole }).prefix;
}

/** The lengths of what rows have beyond their first numbers, and not below them. */
function restLengths(table: VectorTable, prefix: number, start: number, rows: number): Float32Array {
  return Float32Array.from({ length: rows }, (_, row) => {
    const vector = table.vector(start + row);
    let squares = 0;
    for (let i = prefix; i < vector.length; i++) squares += vector[i]! ** 2;
    return Math.sqrt(squares) * (1 + 2 ** -20);
  });
}

function blocksOf({ count, segments }: VectorTable, rests: Float32Array): Block[] {
  return Array.from({ length: Math.ceil(count / BLOCK) }, (_, index) => {
    const block: Block = { scale: 0, residual: 0, rest: 0 };
    for (let row = index * BLOCK; row < Math.min(count, (index + 1) * BLOCK); row++) {
      const { scales, residuals } = segments[Math.floor(row / SEGMENT_ROWS)]!;
      block.scale = Math.max(block.scale, scales[row % SEGMENT_ROWS]!);
      block.residual = Math.max(block.residual, residuals[row % SEGMENT_ROWS]!);
      block.rest = Math.max(block.rest, rests[row]!);
    }
    return block;
  });
}

/**
 * Puts pairs together: two items are in one group if a chain of pairs leads from one to the other. Their cosine may then be
 * below the threshold of the pairs.
 */
export async function duplicateGroups(pairs: Source<DuplicatePair>): Promise<DuplicateGroup[]> {
  const groupOf = new Map<string, DuplicateGroup>();
  for await (const pair of pairs) {
    const [a, b] = [pair.first, pair.second].map((id) => groupOf.get(id) ?? { ids: [id], pairs: [] }) as [
      DuplicateGroup,
      DuplicateGroup,
    ];
    const [large, small] = a.ids.length >= b.ids.length ? [a, b] : [b, a];
    if (large !== small) {
      large.ids.push(...small.ids);
      large.pairs.push(...small.pairs);
    }
    large.pairs.push(pair);
    for (const id of large === small ? [] : [pair.first, ...small.ids, pair.second]) groupOf.set(id, large);
  }
  return [...new Set(groupOf.values())];
}
