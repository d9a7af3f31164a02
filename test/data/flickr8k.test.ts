import { expect, test } from 'vitest';
import { DataError } from '../../src/core/errors';
import { parseCaptionsCSV, parseSplitFile, parseTokenFile } from '../../src/data/flickr8k';

test('a token file is read, CRLF and names with dots included', () => {
  const text = 'a.jpg#0\tA dog .\r\na.jpg#1\tA #1 dog\tat play\r\n\r\nb.jpg.1#0\tA cat\r\n';
  const { captions, problems } = parseTokenFile(text, 'tokens.txt');
  expect([...captions]).toEqual([
    ['a.jpg', ['A dog .', 'A #1 dog\tat play']],
    ['b.jpg.1', ['A cat']],
  ]);
  expect(problems).toEqual([]);
});

test('malformed rows of a token file are left out by name', () => {
  const text = 'a.jpg#0\tA dog\nno tab\na.jpg\tno number\na.jpg#1\t \na.jpg#0\tagain\nb.jpg#0\tA cat\n';
  const { captions, problems } = parseTokenFile(text, 'tokens.txt');
  expect([...captions]).toEqual([
    ['a.jpg', ['A dog']],
    ['b.jpg', ['A cat']],
  ]);
  expect(problems).toEqual([
    { where: 'tokens.txt, line 2', problem: 'has no tab between the picture and the caption' },
    { where: 'tokens.txt, line 3', problem: expect.stringContaining('picture#number') },
    { where: 'tokens.txt, line 4', problem: 'has no caption for a.jpg#1' },
    { where: 'tokens.txt, line 5', problem: 'has a.jpg#0 for the second time' },
  ]);
});

test('CSV is read, with quotes, commas and CRLF', () => {
  const rows = [
    'image,caption',
    'a.jpg,A dog',
    'a.jpg,"A dog , wet"',
    'b.jpg,"A sign says ""stop"""',
    'b.jpg,A "so" dog',
  ];
  for (const end of ['\n', '\r\n']) {
    const { captions, problems } = parseCaptionsCSV(rows.join(end) + end, 'captions.txt');
    expect([...captions]).toEqual([
      ['a.jpg', ['A dog', 'A dog , wet']],
      ['b.jpg', ['A sign says "stop"', 'A "so" dog']],
    ]);
    expect(problems).toEqual([]);
  }
});

test('malformed rows of CSV are left out by name, and an open quote costs one row', () => {
  const text = 'image,caption\na.jpg,one,two\na.jpg\n,A dog\na.jpg,\na.jpg,"open\na.jpg,"A" dog\na.jpg,"fine"\n';
  const { captions, problems } = parseCaptionsCSV(text, 'captions.txt');
  expect([...captions]).toEqual([['a.jpg', ['fine']]]);
  expect(problems).toEqual([
    { where: 'captions.txt, line 2', problem: expect.stringContaining('3 fields') },
    { where: 'captions.txt, line 3', problem: expect.stringContaining('1 fields') },
    { where: 'captions.txt, line 4', problem: 'has no picture' },
    { where: 'captions.txt, line 5', problem: 'has no caption for a.jpg' },
    { where: 'captions.txt, line 6', problem: expect.stringContaining('quote') },
    { where: 'captions.txt, line 7', problem: expect.stringContaining('quote') },
  ]);
});

test('CSV with another header is refused', () => {
  expect(() => parseCaptionsCSV('image_name|comment\n', 'captions.txt')).toThrow(DataError);
});

test('a split file is a list of names', () => {
  expect(parseSplitFile('a.jpg\r\nb.jpg \n\n')).toEqual(['a.jpg', 'b.jpg']);
});
