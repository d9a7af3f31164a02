import { expect, test } from 'vitest';
import { minimumBayesRisk } from '../../src/captioner/minimumBayesRisk';
import { UsageError } from '../../src/core/errors';
import { documentFrequencies, scoreCaptions, tokenizeCaption } from '../../src/metrics';
import { bleuSimilarity, ciderSimilarity } from '../../src/training/similarity';
import { tinyRecords } from './tiny';

const corpus = documentFrequencies(tinyRecords.map(({ captions }) => captions.map((each) => tokenizeCaption(each))));
const pair = ['a brown dog runs on grass', 'the dog runs on grass'] as const;

test('similarities are the scores against one reference', async () => {
  const scores = await scoreCaptions([{ id: 'a', candidate: pair[0], references: [pair[1]] }], {
    metrics: ['bleu', 'cider'],
    documentFrequencies: corpus,
  });
  const of = (name: string) => (scores.corpus as Record<string, number>)[name]!;
  expect(ciderSimilarity(corpus)(...pair)).toBeCloseTo(of('CIDEr'), 12);
  const mean = (of('BLEU-1') + of('BLEU-2') + of('BLEU-3') + of('BLEU-4')) / 4;
  expect(bleuSimilarity(...pair)).toBeCloseTo(mean, 12);
  expect(() => ciderSimilarity(undefined as never)).toThrow(UsageError);
});

test.each([
  ['BLEU', bleuSimilarity],
  ['CIDEr', ciderSimilarity(corpus)],
])('the caption that others agree with is chosen by %s', (_, similarity) => {
  const texts = [
    'two children play ball',
    'a brown dog runs on grass',
    'the brown dog runs on grass',
    'a dog on grass',
  ];
  const ranked = minimumBayesRisk(
    texts.map((text) => ({ text, logProbs: [-1] })),
    similarity,
  );
  expect(ranked[0]!.text).toMatch(/brown dog runs on grass/);
  expect(ranked.at(-1)!.text).toBe(texts[0]);
});
