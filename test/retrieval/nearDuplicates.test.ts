import { expect, test } from 'vitest';
import { VectorTable } from '../../src/retrieval/exact/vectorTable';
import { type DuplicateWork, duplicateRows } from '../../src/retrieval/nearDuplicates';
import { randomVectors } from './vectors';

/** Vectors of 48 numbers that lie in three dimensions and a little beside them, as those of pictures lie in few. */
function flat(count: number): VectorTable {
  const axes = randomVectors(3, 48, 1);
  const places = randomVectors(count, 3, 2);
  const beside = randomVectors(count, 48, 3);
  const table = new VectorTable(48, 'float32');
  for (const [i, place] of places.entries()) {
    const vector = Array.from(
      { length: 48 },
      (_, j) => 0.002 * beside[i]![j]! + place.reduce((sum, along, a) => sum + along * axes[a]![j]!, 0),
    );
    table.append(vector, Math.hypot(...vector));
  }
  return table;
}

async function found(table: VectorTable, threshold: number): Promise<{ pairs: string[]; work: DuplicateWork }> {
  const rows = duplicateRows(table, { threshold });
  const pairs: string[] = [];
  for (;;) {
    const step = await rows.next();
    if (step.done) return { pairs, work: step.value };
    pairs.push(`${step.value.first} ${step.value.second}`);
  }
}

test('where vectors lie together, most pairs are left out by the tree, and none that belongs', async () => {
  const table = flat(1500);
  const vectors = Array.from({ length: 1500 }, (_, row) => table.vector(row));
  const expected: string[] = [];
  for (const [i, a] of vectors.entries())
    for (let j = i + 1; j < vectors.length; j++)
      if (table.exactly(j, Float64Array.from(a)) >= 0.999) expected.push(`${i} ${j}`);
  const { pairs, work } = await found(table, 0.999);
  expect(pairs).toEqual(expected);
  expect(expected.length).toBeGreaterThan(100);
  expect(work.sketches).toBeLessThan(0.4 * 1500 * 750);
  const twice = await found(flat(3000), 0.999);
  expect(twice.work.sketches / work.sketches, 'four times as many pairs').toBeLessThan(3);
  expect(twice.work.rows).toBeLessThan(5 * twice.pairs.length);
});

test('one row has no pairs, and none has none', async () => {
  expect(await found(flat(1), 0.9)).toEqual({ pairs: [], work: { sketches: 0, rows: 0 } });
  expect((await found(new VectorTable(3, 'int8'), 0.9)).pairs).toEqual([]);
});
