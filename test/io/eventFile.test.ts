import { expect, test } from 'vitest';
import { crc32c } from '../../src/io/crc32c';
import { eventFileStart, scalarEvent } from '../../src/io/eventFile';

const utf8 = (text: string) => new TextEncoder().encode(text);
const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('CRC-32C has the values of RFC 3720, appendix B.4', () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(ascending)).toBe(0x46dd794e);
  expect(crc32c(ascending.reverse())).toBe(0x113fdb5c);
  expect(crc32c(utf8('123456789'))).toBe(0xe3069283);
});

// Written by tensorboard 2.21.0 in Python: masked_crc32c of its record writer around Event(...).SerializeToString().
test('records are those that TensorBoard writes', () => {
  expect(hexOf(eventFileStart(1.5))).toBe(
    '1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c',
  );
  expect(hexOf(scalarEvent(1795284949.25, 300, { 'train/loss': 2.5 }))).toBe(
    '2100000000000000017becf609000050f577c0da4110ac022a130a110a0a747261696e2f6c6f73731500002040d618f87b',
  );
  expect(hexOf(scalarEvent(2, 7, { a: 1, 'b/ü': -0.125 }))).toBe(
    '2400000000000000422b804d09000000000000004010072a170a080a0161150000803f0a0b0a04622fc3bc15000000be0189cc37',
  );
});
