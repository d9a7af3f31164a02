import { expect, test } from 'vitest';
import { NameTable } from '../../src/data/nameTable';

test('names are numbered as they come, and found again', () => {
  const table = new NameTable();
  const names = Array.from({ length: 5000 }, (_, index) => `${'é'.repeat(index % 7)}${index}.jpg`);
  expect(names.map((name) => table.add(name))).toEqual([...names.keys()]);
  expect(names.map((name) => table.add(name))).toEqual([...names.keys()]);
  expect(table.size).toBe(5000);
  expect(names.map((_, index) => table.at(index))).toEqual(names);
  expect([table.indexOf('4999.jpg'), table.has('5000.jpg'), table.has('')]).toEqual([
    names.indexOf('4999.jpg') < 0 ? undefined : 4999,
    false,
    false,
  ]);
  expect([table.isNew(''), table.isNew(''), table.at(5000)]).toEqual([true, false, '']);
});
