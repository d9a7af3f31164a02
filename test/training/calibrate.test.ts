import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { DataError, UsageError } from '../../src/core/errors';
import { Random } from '../../src/core/random';
import { greedy } from '../../src/decoders/search/greedy';
import { calibrate, confidenceOf, fitScaling, type Judged, reliability } from '../../src/training/calibrate';
import { expectNoLeak } from '../helpers';
import { dispose, tinyCaptioner, tinyData, tinyTokenizer } from './tiny';

/** Predictions whose log-odds less the bias are `temperature` times what they should be. */
function misjudged(temperature: number, bias: number, count = 20000): Judged[] {
  const [odds, draws] = ['odds', 'draws'].map((name) => new Random(1).fork(name));
  const chances = odds!.normal(count);
  const drawn = draws!.uniform(count);
  return Array.from(chances, (chance, i) => {
    const right = 1 / (1 + Math.exp(-(1 + chance)));
    const claimed = 1 / (1 + Math.exp(-(1 + chance - bias) * temperature));
    return { logProb: Math.log(claimed), correct: drawn[i]! < right };
  });
}

describe('the scaling', () => {
  test.each([
    [0.5, 0],
    [1, 0],
    [3, -1],
    [0.7, 2],
  ])('is found again: temperature %d, bias %d', (temperature, bias) => {
    const judged = misjudged(temperature, bias);
    const found = fitScaling(judged);
    expect(Math.abs(found.temperature / temperature - 1)).toBeLessThan(0.05); // the noise of 20000 draws
    expect(Math.abs(found.bias - bias)).toBeLessThan(0.07);
    const loss = (each: typeof found) => reliability(judged, each).negativeLogLikelihood;
    for (const change of [-0.05, 0.05]) {
      expect(loss(found)).toBeLessThan(loss({ ...found, temperature: found.temperature * (1 + change) }));
      expect(loss(found)).toBeLessThan(loss({ ...found, bias: found.bias + change }));
    }
    expect(reliability(judged, found).expectedCalibrationError).toBeLessThan(0.02);
  });

  test('stays within bounds where all is right, and where what is sure is wrong', () => {
    const sure = [0.2, 0.6, 0.9].map((chance) => ({ logProb: Math.log(chance), correct: true }));
    expect(confidenceOf(sure[0]!.logProb, fitScaling(sure))).toBeGreaterThan(0.999);
    const reversed = [0.1, 0.9].flatMap((chance) =>
      Array.from({ length: 10 }, () => ({ logProb: Math.log(chance), correct: chance < 0.5 })),
    );
    expect(fitScaling(reversed).temperature).toBeCloseTo(20, 6);
  });

  test('divides log-odds and moves them', () => {
    expect(confidenceOf(Math.log(0.5), { bias: Math.log(3) })).toBeCloseTo(0.75, 12);
    expect(confidenceOf(Math.log(0.8))).toBeCloseTo(0.8, 12);
    expect(confidenceOf(Math.log(0.8), { temperature: 2 })).toBeCloseTo(2 / 3, 12); // odds of 4 to 1 become 2 to 1
    expect(confidenceOf(Math.log(0.5), { temperature: 7 })).toBeCloseTo(0.5, 12);
    expect(confidenceOf(0)).toBeLessThan(1);
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
    expect(() => fitScaling([])).toThrow(/no word to calibrate/);
    dispose(captioner);
  });
});
