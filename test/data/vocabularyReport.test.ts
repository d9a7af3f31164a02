import { expect, test } from 'vitest';
import { byCount, captionLengths, countWords, outOfVocabulary, vocabularySizes } from '../../src/data/vocabularyReport';
import { WordTokenizer } from '../../src/data/wordTokenizer';

const train = ['A dog runs.', 'a dog and a cat', "the dog's bone", ''];

test('words are counted as the tokenizer makes them uniform', async () => {
  const { counts, captions } = await countWords(train);
  expect(captions).toBe(4);
  expect(byCount(counts)).toEqual([
    { word: 'a', count: 3 },
    { word: 'dog', count: 3 },
    ...["'s", 'and', 'bone', 'cat', 'runs', 'the'].map((word) => ({ word, count: 1 })),
  ]);
  expect(vocabularySizes(counts, [1, 2, 4])).toEqual([
    { minCount: 1, words: 8, coverage: 1 },
    { minCount: 2, words: 2, coverage: 0.5 },
    { minCount: 4, words: 0, coverage: 0 },
  ]);
  // The tokenizer keeps as many.
  expect((await WordTokenizer.fromCaptions(train, { minCount: 2 })).vocabSize).toBe(2 + 4);
});

test('what a vocabulary does not know, as often as it occurs and caption by caption', async () => {
  const found = await outOfVocabulary(['a zebra and a zebra', 'a dog', 'the ox'], new Set(['a', 'dog', 'and']));
  expect(found).toEqual({
    ...{ captions: 3, words: 9, unknown: 4, captionsWithUnknown: 2 },
    unknownWords: [
      { word: 'zebra', count: 2 },
      { word: 'ox', count: 1 },
      { word: 'the', count: 1 },
    ],
  });
});

test('lengths in tokens', async () => {
  const tokenizer = await WordTokenizer.fromCaptions(train, { minCount: 1 });
  expect(await captionLengths(train, tokenizer)).toEqual({ mean: 3, most: 5 });
});
