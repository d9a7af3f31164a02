import { expectPositive, UsageError } from '../core/errors';
import type { Source } from '../data/streams';
import { type Ball, type BallTree, ballsWithin, ballTree } from './exact/ballTree';
import { SEGMENT_ROWS } from './exact/memory';
import { mainDirections, product, sketchOf } from './exact/sketch';
import { type Query, VectorTable } from './exact/vectorTable';

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

/** What a search took: products of sketches, and of whole rows. */
export type DuplicateWork = { sketches: number; rows: number };

/** Rows whose bound is looked at together; a divisor of the rows of a segment. */
const BLOCK = 64;

/** How many directions a sketch may have. */
const MOST_DIRECTIONS = 256;
const SKETCHES = [32, 64, 128];

/** What looking at a whole row after its sketch costs, in bytes of codes that could be multiplied in that time. */
const CHECK_COST = 1500;

/** Room for what rounding takes from products of sketches. */
const ROUNDING = 1e-6;

/** About what codes add to the bound of a product. */
const CODES = 0.005;

/** Sketches of the rows of a table, in the order of a tree of them: the products with directions as a table, and the rests. */
type Sketched = {
  table: VectorTable;
  sketches: VectorTable;
  rests: Float32Array;
  tree: BallTree;
  /** All balls without parts, where asking the tree would cost more than it leaves out. */
  every: Ball[] | undefined;
  placeOf: Uint32Array;
  blocks: Block[];
};

/** The largest of what is known of the sketches of a block. */
type Block = { scale: number; residual: number; rest: number };

/**
 * Pairs of rows whose product is at least `threshold`, by the first and then the second; at the end, what that took. Exact: rows become sketches
 * (`sketchOf`) that are never further apart than they are. A tree of balls over the sketches leaves out what is too far away as a whole; of the rest,
 * products of sketches are computed in whole numbers, which bounds those of the rows; and only pairs that can reach the threshold by
 * that bound are looked at further. How many directions a sketch has is chosen so that the whole takes the least time on a sample of the
 * rows.
 *
 * The time grows with the number of rows times that of what lies near each: less than with the square of the number where vectors lie in
 * few dimensions or tight clusters, and with the square where all are as far from one another as independent ones.
 */
export async function* duplicateRows(
  table: VectorTable,
  { threshold = 0.95, signal, onProgress }: DuplicateOptions,
): AsyncGenerator<{ first: number; second: number; score: number }, DuplicateWork> {
  expectPositive('threshold', threshold);
  if (threshold > 1) throw new UsageError(`threshold is ${threshold} but a cosine is 1 at most.`);
  // What rounding takes away from the cosine of a vector with itself is no difference.
  const least = Math.min(threshold, 1 - 1e-6);
  const work: DuplicateWork = { sketches: 0, rows: 0 };
  if (table.count < 2) return work;
  const sketched = sketchRows(table, least);
  let rested = performance.now();
  for (let first = 0; first < table.count; first++) {
    if (performance.now() - rested > 50) {
      await new Promise((resolve) => setTimeout(resolve)); // a page stays alive, and a signal is heard
      signal?.throwIfAborted();
      onProgress?.(first, table.count);
      rested = performance.now();
    }
    yield* pairsOf(sketched, first, least, work); // an array: what others ask of the table in between does no harm
  }
  return work;
}

/** The pairs of a row with rows after it. */
function pairsOf(
  { table, sketches, rests, tree, every, placeOf, blocks }: Sketched,
  first: number,
  least: number,
  work: DuplicateWork,
): { first: number; second: number; score: number }[] {
  const along = Float64Array.from(sketches.vector(placeOf[first]!));
  const rest = rests[placeOf[first]!]!;
  const near = every
    ? every.filter(({ last }) => last > first)
    : ballsWithin(tree.root, Float64Array.of(...along, rest), reachOf(least), first);
  if (near.length === 0) return [];
  const { scale, slack } = sketches.ask(along);
  let whole: Query | undefined;
  const pairs: { first: number; second: number; score: number }[] = [];
  for (const { start, end } of near) {
    const from = firstAfter(tree.order, start, end, first);
    const block = blocks[start / BLOCK]!;
    work.sketches += end - from;
    const largest = Math.max(0, sketches.memory.multiply(from, end - from));
    if (largest * scale * block.scale + block.residual + slack + ROUNDING + rest * block.rest < least) continue;
    const segment = Math.floor(start / SEGMENT_ROWS);
    const { scales, residuals } = sketches.segments[segment]!;
    const products = sketches.memory.products(segment);
    for (let place = from; place < end; place++) {
      const at = place % SEGMENT_ROWS;
      const product = products[at]! * scale * scales[at]!;
      if (product + residuals[at]! + slack + ROUNDING + rest * rests[place]! < least) continue;
      work.rows++;
      whole ??= table.ask(Float64Array.from(table.vector(first)));
      const second = tree.order[place]!;
      if (upperProduct(table, second, whole) < least) continue;
      const score = table.exactly(second, whole.vector);
      if (score >= least) pairs.push({ first, second, score });
    }
  }
  return pairs.sort((a, b) => a.second - b.second);
}

/** What the product of a row is at most, by its codes. */
function upperProduct(table: VectorTable, row: number, { scale, slack }: Query): number {
  const { scales, residuals } = table.segments[Math.floor(row / SEGMENT_ROWS)]!;
  const at = row % SEGMENT_ROWS;
  return table.memory.multiply(row, 1) * scale * scales[at]! + residuals[at]! + slack;
}

/** The first place from `start` whose row comes after `row`, or `end`; rows are sorted there. */
function firstAfter(order: Uint32Array, start: number, end: number, row: number): number {
  let [low, high] = [start, end];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (order[middle]! > row) high = middle;
    else low = middle + 1;
  }
  return low;
}

function sketchRows(table: VectorTable, least: number): Sketched {
  const { count } = table;
  const directions = chooseDirections(table, least);
  const width = directions.length + 1;
  const points = new Float32Array(count * width);
  for (let row = 0; row < count; row++) points.set(sketchOf(table.vector(row), directions), row * width);
  const tree = ballTree(points, width, BLOCK);
  const sketches = new VectorTable(width - 1, 'float32');
  const rests = new Float32Array(count);
  const placeOf = new Uint32Array(count);
  for (const [place, row] of tree.order.entries()) {
    placeOf[row] = place;
    sketches.append(points.subarray(row * width, (row + 1) * width - 1));
    rests[place] = points[(row + 1) * width - 1]!;
  }
  const every = leavesOut(tree, points, width, reachOf(least))
    ? undefined
    : ballsWithin(tree.root, tree.root.centre, Infinity, -1);
  return { table, sketches, rests, tree, every, placeOf, blocks: blocksOf(sketches, rests) };
}

/** How far apart rows, and thus sketches, can be whose product is `least`. */
const reachOf = (least: number) => Math.sqrt(2 - 2 * least + 10 * ROUNDING);

/** Whether the tree leaves out a fifth of all points or more, for some of them. */
function leavesOut({ root }: BallTree, points: Float32Array, width: number, reach: number): boolean {
  const count = points.length / width;
  const asked = Math.min(count, 64);
  let left = 0;
  for (let i = 0; i < asked; i++) {
    const row = Math.floor((i * count) / asked);
    const near = ballsWithin(root, Float64Array.from(points.subarray(row * width, (row + 1) * width)), reach, -1);
    left += near.reduce((sum, { start, end }) => sum + end - start, 0);
  }
  return left < 0.8 * asked * count;
}

/** As many directions as make it take the least time on some rows, each with the same others. */
function chooseDirections(table: VectorTable, least: number): Float64Array[] {
  const { count, size } = table;
  let best = { directions: [] as Float64Array[], cost: Number.POSITIVE_INFINITY };
  for (const width of [...SKETCHES.filter((width) => width < size), Math.min(size, MOST_DIRECTIONS)]) {
    const directions = mainDirections(table, width);
    const some = (rows: number) => {
      const step = Math.max(1, Math.floor(count / rows));
      // Odd ones: directions fit the even ones, which they were found from, better than the others.
      const places = Array.from({ length: Math.min(rows, count) }, (_, i) => Math.min((i * step) | 1, count - 1));
      return places.map((place) => sketchOf(table.vector(place), directions));
    };
    const [asked, others] = [some(64), some(256)];
    let passed = 0;
    for (const one of asked) for (const other of others) if (product(one, other) >= least - CODES) passed++;
    const checks = (passed / asked.length / others.length) * CHECK_COST;
    if (width + checks < best.cost) best = { directions, cost: width + checks };
    if (checks < width) break; // twice as many would cost more than they can save
  }
  return best.directions;
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
