import { expect, test } from 'vitest';
import { UsageError } from '../../src/core/errors';
import { captionConfidence } from '../../src/training/captionConfidence';

const caption = { words: ['a', 'dog'], logProbs: [Math.log(0.8), Math.log(0.2), Math.log(0.01)] };

test('is the probability of each word, their geometric mean and the least', () => {
  const { words, mean, least } = captionConfidence(caption);
  expect(words.map(({ word }) => word)).toEqual(['a', 'dog']);
  expect(words[0]!.confidence).toBeCloseTo(0.8, 9);
  expect(words[1]!.confidence).toBeCloseTo(0.2, 9);
  expect(mean).toBeCloseTo(0.4, 9);
  expect(least).toBeCloseTo(0.2, 9);
});

test('a temperature divides the log-odds', () => {
  // odds of 4 and 1 / 4, the root of which are 2 and 1 / 2
  const { words } = captionConfidence(caption, { temperature: 2 });
  expect(words[0]!.confidence).toBeCloseTo(2 / 3, 9);
  expect(words[1]!.confidence).toBeCloseTo(1 / 3, 9);
  expect(() => captionConfidence(caption, { temperature: 0 })).toThrow(UsageError);
});

test('without words nothing is in doubt', () => {
  expect(captionConfidence({ words: [], logProbs: [-3] })).toEqual({ words: [], mean: 1, least: 1 });
});
