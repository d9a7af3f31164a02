import { expect, test } from 'vitest';
import { lengthStatistics, novelty, type Tokens, vocabulary, vocabularySize } from '../../src/metrics/index';
import { randomCaptions, seeded } from './randomCaptions';

// Vocabulary size and novelty of real captions are compared with the reference's in goldens.test.ts.

const split = (text: string): Tokens => text.split(' ');
const ofLength = (length: number): Tokens => new Array<string>(length).fill('dog');

test('length statistics of eight captions, of which the standard deviation is known', () => {
  expect(lengthStatistics([2, 4, 4, 4, 5, 5, 7, 9].map(ofLength))).toEqual({
    mean: 5,
    standardDeviation: 2,
    min: 2,
    max: 9,
    histogram: [0, 0, 1, 0, 3, 2, 0, 1, 0, 1],
  });
});

test('captions without words count, no caption at all gives zeros', () => {
  expect(lengthStatistics([[], ofLength(2)])).toEqual({
    mean: 1,
    standardDeviation: 1,
    min: 0,
    max: 2,
    histogram: [1, 0, 1],
  });
  expect(lengthStatistics([])).toEqual({ mean: 0, standardDeviation: 0, min: 0, max: 0, histogram: [] });
  expect(vocabularySize([])).toBe(0);
  expect(novelty([], [split('a dog')])).toBe(0);
});

test('words are those that BLEU and CIDEr count: a no-break space parts them', () => {
  expect(vocabularySize([['1\u00a01/2', 'pizzas'], split('1 1/2 pizzas'), ['__proto__', 'constructor']])).toBe(5);
  expect(lengthStatistics([['1\u00a01/2', 'pizzas']]).max).toBe(3);
  expect(novelty([['1\u00a01/2', 'pizzas']], [split('1 1/2 pizzas')])).toBe(0);
});

test('novelty counts repeated captions each time, and whole captions only', () => {
  const training = [split('a dog runs'), split('a cat')];
  const captions = ['a dog runs', 'a dog', 'a dog', 'a cat'].map(split);
  expect(novelty(captions, training)).toBe(2 / 4);
  expect(novelty(captions, new Set(training).values()), 'read once').toBe(2 / 4);
  expect(novelty(captions, [])).toBe(1);
});

test('a corpus of several images', () => {
  const metric = vocabulary({ training: [split('a dog runs')] });
  metric.update([split('a dog runs'), split('a dog')]);
  metric.update([split('two dogs run fast')]);
  const { captions, words, vocabularySize: size, lengths, novelty: novel } = metric.compute();
  expect({ captions, words, size, novel }).toEqual({ captions: 3, words: 9, size: 7, novel: 2 / 3 });
  expect(lengths.mean).toBe(3);
  const without = vocabulary();
  without.update([split('a dog')]);
  expect(without.compute()).not.toHaveProperty('novelty');
});

test('whatever the captions, every number is finite', () => {
  const random = seeded(5);
  for (let round = 0; round < 100; round++) {
    const metric = vocabulary({ training: randomCaptions(random, Math.floor(10 * random())) });
    metric.update(randomCaptions(random, 1 + Math.floor(20 * random())));
    const { lengths, ...others } = metric.compute();
    const { histogram, ...moments } = lengths;
    for (const value of [...Object.values(others), ...Object.values(moments), ...histogram])
      expect(Number.isFinite(value)).toBe(true);
    expect(histogram.reduce((sum, count) => sum + count, 0)).toBe(others.captions);
  }
});

test('a corpus of the size of COCO fits on the stack', () => {
  const captions = new Array<Tokens>(300_000).fill(split('a dog'));
  expect(vocabularySize(captions)).toBe(2);
  expect(lengthStatistics(captions).mean).toBe(2);
});
