import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { DataError, UsageError } from '../../src/core/errors';
import { Random } from '../../src/core/random';
import { greedy } from '../../src/decoders/search/greedy';
import { calibrate, confidenceOf, fitTemperature, type Judged, reliability } from '../../src/training/calibrate';
import { expectNoLeak } from '../helpers';
import { dispose, tinyCaptioner, tinyData, tinyTokenizer } from './tiny';

/** Predictions whose log-odds are `temperature` times what they should be. */
function overconfident(temperature: number, count = 20000): Judged[] {
  const [odds, draws] = ['odds', 'draws'].map((name) => new Random(1).fork(name));
  const chances = odds!.normal(count);
  const drawn = draws!.uniform(count);
  return Array.from(chances, (chance, i) => {
    const right = 1 / (1 + Math.exp(-(1 + chance)));
    const claimed = 1 / (1 + Math.exp(-(1 + chance) * temperature));
    return { logProb: Math.log(claimed), correct: drawn[i]! < right };
  });
}

describe('the temperature', () => {
  test.each([0.5, 1, 3])('is found again: %d', (temperature) => {
    const judged = overconfident(temperature);
    const found = fitTemperature(judged);
    expect(Math.abs(found / temperature - 1)).toBeLessThan(0.05); // the noise of 20000 draws
    const loss = (each: number) => reliability(judged, { temperature: each }).negativeLogLikelihood;
    for (const other of [found * 0.9, found * 1.1]) expect(loss(found)).toBeLessThan(loss(other));
    expect(reliability(judged, { temperature: found }).expectedCalibrationError).toBeLessThan(0.02);
  });

  test('divides log-odds', () => {
    expect(confidenceOf(Math.log(0.8), 1)).toBeCloseTo(0.8, 12);
    expect(confidenceOf(Math.log(0.8), 2)).toBeCloseTo(2 / 3, 12); // odds of 4 to 1 become 2 to 1
    expect(confidenceOf(Math.log(0.5), 7)).toBeCloseTo(0.5, 12);
    expect(confidenceOf(0, 1)).toBeLessThan(1);
  });
});

test('reliability compares confidence with what was right', () => {
  const judged = [
    { logProb: Math.log(0.9), correct: true },
    { logProb: Math.log(0.8), correct: false },
    { logProb: Math.log(0.3), correct: true },
    { logProb: Math.log(0.1), correct: false },
  ];
  const { bins, expectedCalibrationError, negativeLogLikelihood } = reliability(judged, { bins: 2 });
  expect(bins.map(({ from, to, count, accuracy }) => [from, to, count, accuracy])).toEqual([
    [0, 0.5, 2, 0.5],
    [0.5, 1, 2, 0.5],
  ]);
  expect(bins.map(({ confidence }) => confidence)).toEqual([expect.closeTo(0.2, 10), expect.closeTo(0.85, 10)]);
  expect(expectedCalibrationError).toBeCloseTo((0.3 + 0.35) / 2, 10);
  expect(negativeLogLikelihood).toBeCloseTo(-Math.log(0.9 * 0.2 * 0.3 * 0.9) / 4, 10);
});

describe('of a captioner', () => {
  test('every word that it says is judged by the captions of its picture', () =>
    expectNoLeak(async () => {
      const captioner = tinyCaptioner({ seed: 3 });
      const search = greedy();
      const heard: string[] = [];
      const found = await calibrate(captioner, tinyData, {
        search,
        bins: 5,
        correct: (word, references) => {
          heard.push(word);
          return references.some((reference) => reference.split(' ').includes(word));
        },
      });
      expect(found.words).toBe(heard.length);
      expect(found).toEqual(await calibrate(captioner, tinyData, { search, bins: 5 }));
      expect(heard.every((word) => tinyTokenizer.vocabulary.words.includes(word))).toBe(true);
      expect(found.after.negativeLogLikelihood).toBeLessThanOrEqual(found.before.negativeLogLikelihood);
      dispose(captioner);
    }));

  test('that says nothing cannot be calibrated, and bins are at least one', async () => {
    const captioner = tinyCaptioner();
    const bias = captioner.parameters().get('decoder.output.bias')!;
    tf.tidy(() => bias.assign(tf.mul(tf.oneHot(tinyTokenizer.endId, tinyTokenizer.vocabSize), 100)));
    await expect(calibrate(captioner, tinyData)).rejects.toThrow(DataError);
    await expect(calibrate(captioner, tinyData, { bins: 0 })).rejects.toThrow(UsageError);
    expect(() => fitTemperature([])).toThrow(/no word to calibrate/);
    dispose(captioner);
  });
});
