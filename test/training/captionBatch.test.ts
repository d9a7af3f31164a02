import { expect, test } from 'vitest';
import { captionBatch } from '../../src/training/captionBatch';

const special = { padId: 0, startId: 1, endId: 2 };

test('captions are laid out from the start token to the end token', () => {
  const { rows, time, inputs, targets, wanted, mask } = captionBatch([[7, 8, 9], [5], []], special);
  expect([rows, time]).toEqual([3, 4]);
  expect([...inputs]).toEqual([1, 7, 8, 9, 1, 5, 0, 0, 1, 0, 0, 0]);
  expect([...targets]).toEqual([7, 8, 9, 2, 5, 2, 2]);
  expect([...wanted]).toEqual([0, 1, 2, 3, 4, 5, 8]);
  expect([...mask]).toEqual([1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 0]);
});

test('a caption that is too long is cut and still ends', () => {
  const { time, inputs, targets } = captionBatch([[7, 8, 9], [5]], special, 2);
  expect(time).toBe(3);
  expect([...inputs]).toEqual([1, 7, 8, 1, 5, 0]);
  expect([...targets]).toEqual([7, 8, 2, 5, 2]);
});

test('other ids of the special tokens are used as given', () => {
  const { inputs, targets } = captionBatch([[3], [4, 5]], { padId: 9, startId: 8, endId: 7 });
  expect([...inputs]).toEqual([8, 3, 9, 8, 4, 5]);
  expect([...targets]).toEqual([3, 7, 4, 5, 7]);
});
