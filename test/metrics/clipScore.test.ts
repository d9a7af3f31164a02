import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  CLIP_SCORE_PREFIX,
  clipScore,
  clipScores,
  embeddingRows,
  refClipScore,
  refClipScores,
  ScoringError,
} from '../../src/metrics/index';
import type { ClipScoreFile } from './diversityGoldens';
import { committedFolder, readJson } from './goldens';
import { seeded } from './randomCaptions';

const golden: ClipScoreFile = readJson(join(committedFolder, 'clip_score.json'));

test('single captions agree with numpy; float32 embeddings up to their rounding', () => {
  for (const { image, caption, references, clipScore: plain, refClipScore: withReferences } of golden.items) {
    expect(clipScore(image, caption)).toBeCloseTo(plain, 12);
    expect(refClipScore(image, caption, references)).toBeCloseTo(withReferences, 12);
    const [a, b, c] = [
      Float32Array.from(image),
      Float32Array.from(caption),
      references.map((r) => Float32Array.from(r)),
    ];
    expect(clipScore(a, b)).toBeCloseTo(plain, 6);
    expect(refClipScore(a, b, c)).toBeCloseTo(withReferences, 6);
  }
});

test('the golden has scores of 0 for both reasons, and others', () => {
  expect(golden.items.filter((item) => item.clipScore === 0).length).toBeGreaterThan(0);
  expect(golden.items.filter((item) => item.clipScore > 0 && item.refClipScore === 0).length).toBeGreaterThan(0);
  expect(golden.items.filter((item) => item.refClipScore > 0).length).toBeGreaterThan(4);
});

test('the ends of the range, and the weight', () => {
  expect(clipScore([3, 4], [6, 8])).toBeCloseTo(2.5, 12);
  expect(clipScore([3, 4], [6, 8], { weight: 1 })).toBeCloseTo(1, 12);
  expect(clipScore([1, 0], [-1, 0])).toBe(0);
  expect(refClipScore([3, 4], [3, 4], [[-4, 3], [3, 4]])).toBeCloseTo(5 / 3.5, 12); // biome-ignore format: a matrix
  expect(refClipScore([1, 0], [0, 1], [[1, 0]]), '0 / 0 in the authors’ program').toBe(0);
  expect(CLIP_SCORE_PREFIX).toBe('A photo depicts ');
});

test('only directions count, be the numbers huge or tiny', () => {
  for (const scale of [1e-320, 1e-200, 1, 1e200, 1e307])
    expect(clipScore([3 * scale, 4 * scale], [4, 3])).toBeCloseTo(2.5 * 0.96, scale < 1e-300 ? 2 : 12);
});

test('rows of a tensor are embeddings', () => {
  const rows = embeddingRows(Float32Array.from([3, 4, 6, 8, 0, 1]), 2);
  expect(rows.map((row) => [...row])).toEqual([[3, 4], [6, 8], [0, 1]]); // biome-ignore format: a matrix
  const { corpus, segments } = clipScores(rows, [[3, 4], [4, -3], [0, 5]]); // biome-ignore format: a matrix
  expect(segments.map(({ CLIPScore }) => CLIPScore.toFixed(9))).toEqual(['2.500000000', '0.000000000', '2.500000000']);
  expect(corpus.CLIPScore).toBeCloseTo(5 / 3, 12);
  expect(embeddingRows(new Float32Array(0), 512)).toEqual([]);
  for (const size of [0, -2, 4, 1.5, Number.NaN])
    expect(() => embeddingRows(new Float32Array(6), size)).toThrow(/6 values are not rows/);
});

test('says what does not fit, and where', () => {
  expect(() => clipScore([1, 2, 3], [1, 2])).toThrow(
    /image 0 has 3 numbers and that of caption 0 2\..*same CLIP model/,
  );
  expect(() => clipScores([[1], [1]], [[1], [0]])).toThrow(/caption 1 has 1 numbers, none/);
  expect(() => clipScore([], [])).toThrow(/no direction/);
  expect(() => clipScore([1, Number.NaN], [1, 2])).toThrow(/image 0 holds NaN at 1/);
  expect(() => refClipScore([1], [1], [[1], [Infinity]])).toThrow(/reference 1 of caption 0 holds Infinity at 0/);
  expect(() => refClipScore([1, 1], [1, 1], [[1]])).toThrow(/caption 0 has 2 numbers and that of reference 0/);
  expect(() => refClipScore([1], [1], [])).toThrow(/Caption 0 has no references/);
  expect(() => refClipScores([[1]], [[1]], [])).toThrow(/0 sets of references but 1 captions/);
  expect(() => clipScores([[1]], [[1], [1]])).toThrow(/1 images but 2 captions/);
  expect(() => clipScores([], [])).toThrow(/no captions/);
  for (const weight of [0, -1, Number.NaN, Infinity])
    expect(() => clipScore([1], [1], { weight })).toThrow(ScoringError);
});

test('whatever the embeddings, every score is in its range', () => {
  const random = seeded(17);
  const embedding = () => Array.from({ length: 4 }, () => (random() - 0.5) * 10 ** Math.round(600 * (random() - 0.5)));
  for (let round = 0; round < 500; round++) {
    const [image, caption, references] = [embedding(), embedding(), [embedding(), embedding()]];
    const scores = [clipScore(image, caption), refClipScore(image, caption, references)];
    for (const score of scores) expect(score >= 0 && score <= 2.5 + 1e-12).toBe(true);
  }
});
