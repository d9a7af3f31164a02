import { type Code, I32, op, V128, wasmModule } from './assembler';

/**
 * Products of rows of int8 codes with one query of int16, as int32: of each row the first `bytes` (a multiple of 16, at least
 * one), which begin `stride` bytes after those of the row before. The first three are addresses.
 *
 * @param rows - at least 1
 * @returns the largest product
 */
export type DotKernel = (
  codes: number,
  query: number,
  products: number,
  rows: number,
  bytes: number,
  stride: number,
) => number;

// Parameters and locals of the kernel by number.
const [codes, query, products, rows, bytes, stride] = [0, 1, 2, 3, 4, 5] as const;
const [row, place, end, product, largest] = [6, 7, 8, 9, 10] as const;
const [low, high] = [11, 12] as const;

const { get, set, add, v128 } = op;

const advance = (local: number, by: Code): Code => [...get(local), ...by, ...add, ...set(local)];

/** Adds the products of eight codes with eight numbers of the query, both `offset` numbers on, to the four lanes of `sum`. */
const multiplyEight = (sum: number, offset: number): Code => [
  ...[...get(sum), ...get(row), ...v128.load8x8(offset), ...get(place), ...v128.load(2 * offset)],
  ...[...v128.dot16, ...v128.add, ...set(sum)],
];

/** The four lanes of `low` added up. */
const addLanes = (): Code =>
  [0, 1, 2, 3].flatMap((lane) => [...get(low), ...v128.lane(lane), ...(lane > 0 ? add : [])]);

/** Two sums, so that an addition need not wait for the one before it. */
const oneRow = (): Code => [
  ...[...v128.constant(0), ...set(low), ...v128.constant(0), ...set(high)],
  ...[...get(codes), ...set(row), ...get(query), ...set(place), ...get(codes), ...get(bytes), ...add, ...set(end)],
  ...op.repeatWhile([
    ...multiplyEight(low, 0),
    ...multiplyEight(high, 8),
    ...advance(place, op.constant(32)),
    ...advance(row, op.constant(16)),
    ...[...get(end), ...get(row), ...op.subtract],
  ]),
  ...[...get(low), ...get(high), ...v128.add, ...set(low), ...addLanes(), ...set(product)],
  ...[...get(products), ...get(product), ...op.store()],
  ...[...get(product), ...get(largest), ...get(product), ...get(largest), ...op.greater, ...op.select, ...set(largest)],
  ...advance(products, op.constant(4)),
  ...advance(codes, get(stride)),
  ...advance(rows, op.constant(-1)),
  ...get(rows),
];

/**
 * The kernel as a module of WebAssembly with its SIMD instructions, which exports `dots`. Rows are read one after the other,
 * each to its end: several side by side share what is loaded of the query, but are four times slower where they come from
 * memory, since processors read ahead along one line.
 */
export function dotModule(): Uint8Array<ArrayBuffer> {
  const body = [...op.constant(-(2 ** 31)), ...set(largest), ...op.repeatWhile(oneRow()), ...get(largest)];
  const [numbers, vectors] = [Array<number>(5).fill(I32), Array<number>(2).fill(V128)];
  const parameters = Array<number>(6).fill(I32);
  return wasmModule({ name: 'dots', parameters, locals: [...numbers, ...vectors], body });
}

/** The same in plain JavaScript, for where WebAssembly is forbidden or has no SIMD. */
export function plainDots(buffer: () => ArrayBufferLike): DotKernel {
  return (codes, query, products, rows, bytes, stride) => {
    const stored = new Int8Array(buffer(), codes, (rows - 1) * stride + bytes);
    const asked = new Int16Array(buffer(), query, bytes);
    const results = new Int32Array(buffer(), products, rows);
    let largest = -(2 ** 31);
    for (let row = 0; row < rows; row++) {
      let product = 0;
      for (let i = 0; i < bytes; i++) product += stored[row * stride + i]! * asked[i]!;
      results[row] = product;
      largest = Math.max(largest, product);
    }
    return largest;
  };
}
