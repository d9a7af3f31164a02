import { expect, test } from 'vitest';
import { Random } from '../../src/core/random';
import { leb128 } from '../../src/retrieval/exact/assembler';
import { CodeMemory, SEGMENT_ROWS } from '../../src/retrieval/exact/memory';
import { quantiseQuery, quantiseRow } from '../../src/retrieval/exact/quantise';
import { randomVectors } from './vectors';

test.each([
  [0, false, [0]],
  [127, false, [0x7f]],
  [128, false, [0x80, 1]],
  [624_485, false, [0xe5, 0x8e, 0x26]], // the example of the DWARF standard
  [63, true, [0x3f]],
  [64, true, [0xc0, 0]],
  [-1, true, [0x7f]],
  [-128, true, [0x80, 0x7f]],
  [-123_456, true, [0xc0, 0xbb, 0x78]],
  [-(2 ** 31), true, [0x80, 0x80, 0x80, 0x80, 0x78]],
] as const)('%d in LEB128, signed %s', (value, signed, bytes) => {
  expect(leb128(value, { signed })).toEqual(bytes);
});

test.each([false, true])('products of codes, plain %s', (plain) => {
  const size = 37; // no multiple of 16
  const memory = new CodeMemory(size, plain);
  memory.reserve(2);
  const random = new Random(3);
  const whole = (name: string, count: number, limit: number) =>
    Array.from(random.fork(name).uniform(count), (value) => Math.floor(value * (2 * limit + 1)) - limit);
  const query = whole('query', size, 32_767);
  memory.query().set(query);
  const rows = [0, 1, 2, 7, SEGMENT_ROWS - 1, SEGMENT_ROWS, SEGMENT_ROWS + 5];
  for (const row of rows) memory.codes(row).set(whole(`${row}`, size, 127));
  const expected = (row: number, numbers: number) =>
    query.slice(0, numbers).reduce((sum, value, i) => sum + value * memory.codes(row)[i]!, 0);

  const inFirst = Array.from({ length: SEGMENT_ROWS }, (_, row) => expected(row, size));
  expect(memory.multiply(0, SEGMENT_ROWS)).toBe(Math.max(...inFirst));
  expect([...memory.products(0)]).toEqual(inFirst);
  // A part of a segment, and of its rows the first 16 numbers: other products stay as they were.
  expect(memory.multiply(SEGMENT_ROWS + 5, 1, 16)).toBe(expected(SEGMENT_ROWS + 5, 16));
  expect(memory.products(1)[5]).toBe(expected(SEGMENT_ROWS + 5, 16));
  expect(memory.products(1)[0]).toBe(0);
});

test('SIMD is what multiplies here, unless it is declined', () => {
  expect([new CodeMemory(8).simd, new CodeMemory(8, true).simd]).toEqual([true, false]);
});

test('largest products stay within 32 bits', () => {
  for (const size of [16, 512, 4096, 32_768]) {
    const memory = new CodeMemory(size);
    memory.reserve(1);
    const { scale } = quantiseQuery(new Float64Array(size).fill(-1 / Math.sqrt(size)), memory.query());
    const row = quantiseRow(new Float32Array(size).fill(-1 / Math.sqrt(size)), memory.codes(0));
    expect(memory.multiply(0, 1) * scale * row.scale).toBeCloseTo(1, 3);
  }
});

test('codes and what they leave out', () => {
  for (const vector of [...randomVectors(20, 100, 1), new Float32Array(100).fill(0, 1).fill(1, 0, 1)]) {
    const codes = new Int8Array(112);
    const { scale, residual } = quantiseRow(vector, codes);
    const left = Math.sqrt(vector.reduce((sum, value, i) => sum + (value - scale * codes[i]!) ** 2, 0));
    expect(residual).toBeGreaterThanOrEqual(left);
    expect(residual).toBeLessThanOrEqual(left * 1.00001);
    const query = Float64Array.from(vector);
    const queryCodes = new Int16Array(112);
    const asked = quantiseQuery(query, queryCodes);
    const queryLeft = Math.sqrt(query.reduce((sum, value, i) => sum + (value - asked.scale * queryCodes[i]!) ** 2, 0));
    expect(asked.residual).toBeCloseTo(queryLeft, 12);
    expect(asked.residual).toBeLessThan(1e-3);
  }
});
