import { expect, test } from 'vitest';
import {
  loadMeteorData,
  type MetricName,
  type ScoredCaption,
  ScoringError,
  scoreCaptions,
} from '../../src/metrics/index';
import { committedFolder, readJson } from './goldens';

const { items } = readJson(`${committedFolder}/captions.inputs.json`) as { items: ScoredCaption[] };
const expected = readJson(`${committedFolder}/captions.expected.json`);

test('scores text as the reference does, in input order', async () => {
  const { corpus, segments, omitted, settings } = await scoreCaptions(items);
  expect(Object.keys(corpus)).toEqual(['BLEU-1', 'BLEU-2', 'BLEU-3', 'BLEU-4', 'METEOR', 'ROUGE-L', 'CIDEr']);
  expect(corpus['BLEU-4']).toBeCloseTo(expected.bleu.corpus[3], 12);
  expect(corpus.METEOR).toBeCloseTo(expected.meteor.corpus, 12);
  expect(corpus['ROUGE-L']).toBeCloseTo(expected.rougeL.corpus, 12);
  expect(corpus.CIDEr).toBeCloseTo(expected.cider.corpus, 12);
  expect(segments.map(({ id }) => id)).toEqual(items.map(({ id }) => id));
  expect(segments[5]!.CIDEr).toBeCloseTo(expected.cider.segment[5], 12);
  expect(omitted).toEqual({});
  expect(settings).toMatchObject({ captions: items.length, reproduces: 'pycocoevalcap 1.2', split: 'not named' });
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
  await refuse([good], /no metric 'blue'.*bleu, meteor, rougeL, cider/, ['blue']);
  await refuse([good], /at least one metric/, []);
});

test("METEOR comes with the best reference's 23 statistics, and is renamed without its paraphrases", async () => {
  const meteorData = await loadMeteorData();
  const { segments } = await scoreCaptions(items, { metrics: ['meteor'], details: true, meteorData });
  const statistics = segments.map((segment) => segment['METEOR statistics']);
  expect(statistics).toEqual(expected.meteor.stats.map((line: string) => line.split(' ').map(Number)));
  const { corpus } = await scoreCaptions(items, { metrics: ['meteor'], meteorData, paraphrases: false });
  expect(Object.keys(corpus)).toEqual(['METEOR (without paraphrases)']);
  const little = await loadMeteorData({ paraphrases: false });
  await expect(scoreCaptions(items, { meteorData: little })).rejects.toThrow(/loaded without its paraphrases/);
});

test('long work reports how far it is, and can be stopped', async () => {
  const many = Array.from({ length: 3000 }, (_, id) => ({ ...items[id % items.length]!, id }));
  const reported: number[] = [];
  const onProgress = (done: number, total: number) => {
    expect(total).toBe(3 * many.length);
    reported.push(done);
  };
  await scoreCaptions(many, { metrics: ['bleu', 'cider'], onProgress });
  expect(reported.length).toBeGreaterThan(1);
  expect(reported).toEqual([...reported].sort((a, b) => a - b));
  expect(reported.at(-1)).toBe(3 * many.length);

  const controller = new AbortController();
  const reason = new Error('enough');
  const scoring = scoreCaptions(many, { onProgress: () => controller.abort(reason), signal: controller.signal });
  await expect(scoring).rejects.toBe(reason);
});
