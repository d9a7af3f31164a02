import { expect, test } from 'vitest';
import { singularValues } from '../../src/metrics/diversity/spectrum';
import {
  type CaptionSetMetric,
  distinctNgrams,
  diversity,
  documentFrequencies,
  lsaDiversity,
  mutualBleu,
  ScoringError,
  selfCider,
  selfCiderKernels,
  type Tokens,
  vocabulary,
} from '../../src/metrics/index';
import { committedFolder, compareFile } from './goldens';
import { randomCaptions, seeded } from './randomCaptions';

// goldens.test.ts compares numbers with the reference's; here is what the reference does not answer.

test('the committed goldens have kernels, scores, means and vocabulary', () => {
  expect(compareFile(committedFolder, 'diversity.json').scores).toBeGreaterThan(2000);
});

const split = (text: string): Tokens => text.split(' ');
const sets = [
  ['a brown dog runs', 'a dog runs over the grass', 'a dog runs over grass'].map(split),
  ['two cats asleep on a bed', 'cats sleep'].map(split),
  ['a red double decker bus', 'a red bus', 'a bus at a stop', 'traffic in a town'].map(split),
];
const frequencies = documentFrequencies(sets);

function measure(captions: readonly Tokens[]) {
  const metric = diversity({ documentFrequencies: frequencies });
  metric.update(captions);
  return metric.compute().segments[0]!;
}

test('captions that are all alike have no diversity', () => {
  for (const count of [2, 3, 7, 20]) {
    const scores = measure(Array.from({ length: count }, () => split('a dog runs over the grass')));
    expect(scores['Self-CIDEr']).toBe(0);
    expect(scores.LSA).toBe(0);
    expect(scores['mBLEU-4']).toBeCloseTo(1, 8);
    expect(scores['Distinct-4']).toBeCloseTo(1 / count, 12);
  }
});

test('captions without a word in common have all of it', () => {
  const words = Array.from({ length: 20 }, (_, index) => String.fromCharCode(97 + index));
  const scores = measure([0, 1, 2, 3, 4].map((caption) => words.slice(4 * caption, 4 * caption + 4)));
  expect(scores['Self-CIDEr']).toBeCloseTo(1, 12);
  expect(scores.LSA).toBeCloseTo(1, 12);
  expect(scores['mBLEU-1']).toBeLessThan(1e-5);
  expect(scores['Distinct-1']).toBe(1);
  expect(scores['Div-4']).toBe(1 / 4);
});

test('a single caption is as if it had been generated twice', () => {
  const caption = split('a red double decker bus');
  const [one, two] = [measure([caption]), measure([caption, caption])];
  for (const name of ['Self-CIDEr', 'LSA', 'mBLEU-1', 'mBLEU-2', 'mBLEU-3', 'mBLEU-4'] as const)
    expect(one[name], name).toBe(two[name]);
  expect(one['Self-CIDEr']).toBe(0);
});

test('captions without words: nothing to CIDEr, one empty word to LSA', () => {
  const caption = split('a red double decker bus');
  expect(measure([[], []])).toMatchObject({ 'Self-CIDEr': 0, LSA: 0, 'mBLEU-1': 0, 'Distinct-1': 0, 'Div-1': 0 });
  expect(measure([caption, []])['Self-CIDEr']).toBe(0);
  expect(measure([caption, []]).LSA).toBeGreaterThan(0.5);
});

test('each measure answers for no caption at all', () => {
  expect(selfCider([])).toBe(0);
  expect(selfCiderKernels([[]])).toEqual([[]]);
  expect(selfCiderKernels([])).toEqual([]);
  expect(lsaDiversity([])).toBe(0);
  expect(mutualBleu([])).toEqual({ 'BLEU-1': 0, 'BLEU-2': 0, 'BLEU-3': 0, 'BLEU-4': 0 });
  expect(distinctNgrams([])[0]).toEqual({ unique: 0, ngrams: 0, words: 0, distinct: 0, div: 0 });
});

test('no n-gram reaches from one caption into the next', () => {
  const [words, pairs] = distinctNgrams([split('a dog'), split('a cat a cat')]);
  expect(words).toEqual({ unique: 3, ngrams: 6, words: 6, distinct: 3 / 6, div: 3 / 6 });
  expect(pairs).toEqual({ unique: 3, ngrams: 4, words: 6, distinct: 3 / 4, div: 3 / 6 });
});

test('frequencies are those of the captions measured together, unless they are given', () => {
  const [own, given, alone] = [diversity(), diversity({ documentFrequencies: frequencies }), diversity()];
  for (const set of sets) {
    own.update(set);
    given.update(set);
  }
  alone.update(sets[0]!);
  expect(own.compute()).toEqual(given.compute());
  expect(own.compute().segments[0]!['Self-CIDEr']).toBeGreaterThan(0.3);
  expect(alone.compute().corpus['Self-CIDEr']).toBe(0);
  expect(() => diversity({ documentFrequencies: { images: 0, counts: {} } })).toThrow(ScoringError);
});

const metrics: Record<string, () => CaptionSetMetric<unknown>> = {
  diversity: () => diversity(),
  vocabulary: () => vocabulary({ training: [split('a red bus'), split('a dog')] }),
};
for (const [name, make] of Object.entries(metrics)) {
  test(`${name}: shards that are merged measure as the whole does`, () => {
    const [whole, first, second] = [make(), make(), make()];
    for (const [index, set] of sets.entries()) {
      whole.update(set);
      (index === 0 ? first : second).update(set);
    }
    // Through JSON, as between processes.
    first.merge(JSON.parse(JSON.stringify(second.state())));
    expect(first.compute()).toEqual(whole.compute());
    expect(whole.compute(), 'asking changes nothing').toEqual(whole.compute());
  });

  test(`${name}: says what is missing, and keeps no hold of what it was given`, () => {
    expect(() => make().compute()).toThrow(/no captions to measure/);
    expect(() => make().update([])).toThrow(/Image 0 has no captions/);
    const metric = make();
    const captions = [split('a dog'), split('a cat')];
    metric.update(captions);
    const before = metric.compute();
    captions.push(split('a bus'));
    metric.state()[0]!.push(split('a bus'));
    expect(metric.compute()).toEqual(before);
  });
}

test('singular values: closed form of 2 x 2, squares that add up, zeros of a singular matrix', () => {
  const random = seeded(3);
  for (let round = 0; round < 200; round++) {
    const [a, b, c, d] = [random() - 0.5, random() - 0.5, random() - 0.5, random() - 0.5];
    // The sum and the difference of both follow from the sum of squares and the determinant.
    const [squares, determinant] = [a * a + b * b + c * c + d * d, Math.abs(a * d - b * c)];
    const [low, high] = singularValues([[a, c], [b, d]]).sort((x, y) => x - y) as [number, number]; // biome-ignore format: a matrix
    expect(high + low).toBeCloseTo(Math.sqrt(squares + 2 * determinant), 12);
    expect(high - low).toBeCloseTo(Math.sqrt(squares - 2 * determinant), 7);
    const [size, rows] = [1 + Math.floor(20 * random()), 1 + Math.floor(50 * random())];
    const columns = Array.from({ length: size }, () => Array.from({ length: rows }, () => random() - 0.5));
    const sum = columns.flat().reduce((total, value) => total + value * value, 0);
    const values = singularValues([...columns, ...columns]);
    expect(values.reduce((total, value) => total + value * value, 0)).toBeCloseTo(2 * sum, 9);
    expect(values.filter((value) => value > 0).length).toBe(Math.min(size, rows));
  }
  expect(singularValues([[0, 0], [0, 0]])).toEqual([0, 0]); // biome-ignore format: a matrix
});

test('whatever the captions, every score is a number in its range', () => {
  const random = seeded(11);
  for (let round = 0; round < 60; round++) {
    const [given, own] = [diversity({ documentFrequencies: frequencies }), diversity()];
    const images = Array.from({ length: 1 + Math.floor(4 * random()) }, () =>
      randomCaptions(random, 1 + Math.floor(20 * random())),
    );
    for (const metric of [given, own]) {
      for (const captions of images) metric.update(captions);
      const { corpus, segments } = metric.compute();
      for (const scores of [corpus, ...segments])
        for (const [name, value] of Object.entries(scores)) {
          expect(value, `${name} of ${JSON.stringify(images)}`).toBeGreaterThanOrEqual(0);
          expect(value, `${name} of ${JSON.stringify(images)}`).toBeLessThanOrEqual(1 + 1e-8);
        }
    }
  }
});
