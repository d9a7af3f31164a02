import { expect, test } from 'vitest';
import { type MetricName, type ScoredCaption, ScoringError, scoreCaptions } from '../../src/metrics/index';
import { committedFolder, readJson } from './goldens';

const { items } = readJson(`${committedFolder}/captions.inputs.json`) as { items: ScoredCaption[] };
const expected = readJson(`${committedFolder}/captions.expected.json`);

test('scores text as the reference does, in input order', async () => {
  const { corpus, segments, omitted, settings } = await scoreCaptions(items);
  expect(Object.keys(corpus)).toEqual(['BLEU-1', 'BLEU-2', 'BLEU-3', 'BLEU-4', 'ROUGE-L', 'CIDEr']);
  expect(corpus['BLEU-4']).toBeCloseTo(expected.bleu.corpus[3], 12);
  expect(corpus['ROUGE-L']).toBeCloseTo(expected.rougeL.corpus, 12);
  expect(corpus.CIDEr).toBeCloseTo(expected.cider.corpus, 12);
  expect(segments.map(({ id }) => id)).toEqual(items.map(({ id }) => id));
  expect(segments[5]!.CIDEr).toBeCloseTo(expected.cider.segment[5], 12);
  expect(Object.keys(omitted)).toEqual(['METEOR']);
  expect(settings).toMatchObject({ captions: items.length, reproduces: 'pycocoevalcap 1.2' });
});

test('only the metrics asked for, with the counts behind them where wanted', async () => {
  const { corpus, segments, omitted } = await scoreCaptions(items, { metrics: ['bleu'], details: true });
  expect(Object.keys(corpus)).toEqual(['BLEU-1', 'BLEU-2', 'BLEU-3', 'BLEU-4']);
  expect(omitted).toEqual({});
  expect(segments[0]!['BLEU statistics']).toMatchObject({
    candidateLength: 6,
    referenceLength: 6,
    guess: [6, 5, 4, 3],
  });
  const { segments: plain } = await scoreCaptions(items, { metrics: ['bleu'] });
  expect(Object.keys(plain[0]!)).toEqual(['id', 'BLEU-1', 'BLEU-2', 'BLEU-3', 'BLEU-4']);
});

test('what cannot be scored is named', async () => {
  const good: ScoredCaption = { id: 'a.jpg', candidate: 'a dog', references: ['a dog runs'] };
  const refuse = async (captions: unknown, message: RegExp, metrics?: unknown) => {
    const scoring = scoreCaptions(captions as ScoredCaption[], metrics ? { metrics: metrics as MetricName[] } : {});
    await expect(scoring).rejects.toThrow(message);
    await expect(scoring).rejects.toBeInstanceOf(ScoringError);
  };
  await refuse([], /list is empty/);
  await refuse([good, good], /a\.jpg has more than one candidate/);
  await refuse([{ ...good, references: [] }], /a\.jpg has no references/);
  await refuse([{ ...good, references: undefined }], /a\.jpg has no references/);
  await refuse([{ ...good, references: ['x', null] }], /reference of image a\.jpg is null/);
  await refuse([{ ...good, candidate: ['a', 'dog'] }], /candidate of image a\.jpg is an array/);
  await refuse([good], /no metric 'blue'.*bleu, rougeL, cider/, ['blue']);
  await refuse([good], /METEOR is not in/, ['meteor']);
  await refuse([good], /at least one metric/, []);
});
