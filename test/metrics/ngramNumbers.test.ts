import { expect, test } from 'vitest';
import { NgramNumbers } from '../../src/metrics/ngramNumbers';
import { ngramCounts } from '../../src/metrics/ngrams';
import { PairNumbers } from '../../src/metrics/pairNumbers';
import { randomCaptions, seeded } from './randomCaptions';

test('pairs have the numbers that a Map with text for keys would give them', () => {
  const random = seeded(4);
  const pairs = new PairNumbers();
  const expected = new Map<string, number>();
  // Few first and many second numbers, and the other way round: a third of the pairs come again.
  for (let i = 0; i < 20_000; i++) {
    const [few, many] = [Math.floor(4 * random()), Math.floor(5000 * random())];
    const [first, second] = i % 2 === 0 ? [few, many] : [many, few];
    const known = expected.get(`${first} ${second}`);
    expect(pairs.find(first, second)).toBe(known ?? -1);
    expect(pairs.add(first, second)).toBe(known ?? expected.size);
    if (known === undefined) expected.set(`${first} ${second}`, expected.size);
  }
  expect(pairs.size).toBe(expected.size);
  expect(pairs.pairs().map((pair) => pair.join(' '))).toEqual([...expected.keys()]);
});

test('n-grams have one number each, whose text is their words', () => {
  const numbers = new NgramNumbers();
  const random = seeded(5);
  const captions = Array.from({ length: 200 }, () => randomCaptions(random, 3)).flat();
  const numbered = captions.map((words) => numbers.add(words));
  const texts = numbers.texts();
  expect(new Set(texts).size).toBe(texts.length);
  for (const [index, words] of captions.entries()) {
    for (const [order, counts] of ngramCounts(words).entries()) {
      const ngrams = [...counts].flatMap(([ngram, count]) => new Array<string>(count).fill(ngram));
      expect(numbered[index]![order]!.map((ngram) => texts[ngram]!).sort()).toEqual(ngrams.sort());
    }
    expect(numbers.find(words).sort()).toEqual(numbered[index]!.flat().sort());
  }
  expect(numbers.find(['unheard-of', captions.flat()[0]!])).toHaveLength(1);
});
