import { expect, test } from 'vitest';
import { DataError } from '../../src/core/errors';
import { decodeUTF8 } from '../../src/data/utf8';

const decode = (bytes: Uint8Array) => () => decodeUTF8(bytes, 'captions.txt');

test('UTF-8 is read, with and without a byte order mark', () => {
  expect(decodeUTF8(Buffer.from('un été\n'), 'captions.txt')).toBe('un été\n');
  expect(decodeUTF8(Buffer.from('\ufeffun été\n'), 'captions.txt')).toBe('un été\n');
});

test('UTF-16 is refused with how to convert it', () => {
  expect(decode(Buffer.from('\ufeffimage,caption\n', 'utf16le'))).toThrow(
    /UTF-16 but should be in UTF-8.*iconv -f UTF-16 /,
  );
  expect(decode(Buffer.from('\ufeffa', 'utf16le').swap16())).toThrow(DataError);
  expect(decode(Buffer.from('image,caption\n', 'utf16le'))).toThrow(/zero byte in line 1.*iconv -f UTF-16LE/);
});

test('Latin-1 is refused with the line of the first wrong byte', () => {
  const text = Buffer.concat([Buffer.from('\ufeffété\ndeux\n'), Buffer.from('a caf\u00e9 here\n', 'latin1')]);
  expect(decode(text)).toThrow(/line 3 has the byte 0xe9.*iconv -f WINDOWS-1252/);
  expect(decode(Buffer.from('cut off \u00e9').subarray(0, -1))).toThrow(/line 1 has the byte 0xc3/);
});
