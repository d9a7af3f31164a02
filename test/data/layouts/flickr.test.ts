import { expect, test } from 'vitest';
import {
  isCaptionsCSV,
  isResultsCSV,
  type LineReader,
  parseSplitFile,
  readCaptionsCSV,
  readLines,
  readResultsCSV,
  tokenReader,
} from '../../../src/data/layouts/flickr';
import { linesOf } from '../../../src/data/layouts/lines';
import { collect } from '../collect';
import { inChunks } from './inChunks';

const read = (text: string, reader: LineReader, header = false) =>
  collect(readLines(linesOf(inChunks(text, 7), 'f.txt'), { where: 'f.txt', read: reader, header }));

test('a token file is read, CRLF and names with dots included', async () => {
  const text = 'a.jpg#0\tA dog .\r\na.jpg#1\tA #1 dog\tat play\r\n\r\nb.jpg.1#0\tA cat\r\n';
  expect(await read(text, tokenReader())).toEqual([
    { where: 'f.txt, line 1', id: 'a.jpg', captions: ['A dog .'] },
    { where: 'f.txt, line 2', id: 'a.jpg', captions: ['A #1 dog\tat play'] },
    { where: 'f.txt, line 4', id: 'b.jpg.1', captions: ['A cat'] },
  ]);
});

test('malformed rows of a token file are left out by name', async () => {
  const text = 'a.jpg#0\tA dog\nno tab\na.jpg\tno number\na.jpg#1\t \na.jpg#0\tagain\nb.jpg#0\tA cat\n';
  const rows = await read(text, tokenReader());
  expect(rows.map(({ where }) => where)).toEqual([1, 2, 3, 4, 5, 6].map((line) => `f.txt, line ${line}`));
  expect(rows.slice(1, 5).map((row) => 'problem' in row && row.problem)).toEqual([
    'has no tab between the picture and the caption',
    expect.stringContaining('picture#number'),
    'has no caption for a.jpg#1',
    'has a.jpg#0 for the second time',
  ]);
});

test('CSV is read, with quotes, commas and CRLF', async () => {
  const rows = [
    'image,caption',
    'a.jpg,A dog',
    'a.jpg,"A dog , wet"',
    'b.jpg,"A sign says ""stop"""',
    'b.jpg,A "so" dog',
  ];
  for (const end of ['\n', '\r\n'])
    expect(await read(rows.join(end) + end, readCaptionsCSV, true)).toMatchObject([
      { id: 'a.jpg', captions: ['A dog'] },
      { id: 'a.jpg', captions: ['A dog , wet'] },
      { id: 'b.jpg', captions: ['A sign says "stop"'] },
      { id: 'b.jpg', captions: ['A "so" dog'] },
    ]);
});

test('malformed rows of CSV are left out by name, and an open quote costs one row', async () => {
  const text = 'image,caption\na.jpg,one,two\na.jpg\n,A dog\na.jpg,\na.jpg,"open\na.jpg,"A" dog\na.jpg,"fine"\n';
  expect(await read(text, readCaptionsCSV, true)).toEqual([
    { where: 'f.txt, line 2', problem: expect.stringContaining('3 fields') },
    { where: 'f.txt, line 3', problem: expect.stringContaining('1 fields') },
    { where: 'f.txt, line 4', problem: 'has no picture' },
    { where: 'f.txt, line 5', problem: 'has no caption for a.jpg' },
    { where: 'f.txt, line 6', problem: expect.stringContaining('quote') },
    { where: 'f.txt, line 7', problem: expect.stringContaining('quote') },
    { where: 'f.txt, line 8', id: 'a.jpg', captions: ['fine'] },
  ]);
});

test('the results of Flickr30k are read, and the one distributed row without its bar too', async () => {
  const text =
    'image_name| comment_number| comment\n1.jpg| 0| Two men , one | bar .\n2.jpg| 4   A dog runs .\n3.jpg| 1|\n|0|x\n4.jpg\n';
  expect(await read(text, readResultsCSV, true)).toEqual([
    { where: 'f.txt, line 2', id: '1.jpg', captions: ['Two men , one | bar .'] },
    { where: 'f.txt, line 3', id: '2.jpg', captions: ['A dog runs .'] },
    { where: 'f.txt, line 4', problem: 'has no caption for 3.jpg' },
    { where: 'f.txt, line 5', problem: 'has no picture' },
    { where: 'f.txt, line 6', problem: expect.stringContaining('1 fields but should have 3') },
  ]);
});

test('headers tell the two kinds of CSV apart', () => {
  expect([isCaptionsCSV('image,caption\r'), isCaptionsCSV('image_name|comment_number|comment')]).toEqual([true, false]);
  expect([isResultsCSV('image_name| comment_number| comment'), isResultsCSV('image,caption')]).toEqual([true, false]);
});

test('a split file is a list of names', () => {
  expect(parseSplitFile('a.jpg\r\nb.jpg \n\n')).toEqual(['a.jpg', 'b.jpg']);
});
