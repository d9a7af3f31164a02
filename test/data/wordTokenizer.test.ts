import { expect, test } from 'vitest';
import { DataError, UsageError } from '../../src/core/errors';
import type { TextOptions } from '../../src/data/normalise';
import { WordTokenizer } from '../../src/data/wordTokenizer';

const captions = ['A dog runs.', 'A dog sits', "The dog's ball", 'a cat sits', 'Zebra constructor'];
const tokenizer = await WordTokenizer.fromCaptions(captions, { minCount: 1 });

test('words are ordered by count, then alphabetically', async () => {
  const words = ['<pad>', '<start>', '<end>', '<unknown>'];
  expect(tokenizer.toJSON().words).toEqual([
    ...words,
    ...['a', 'dog', 'sits', "'s", 'ball', 'cat', 'constructor', 'runs', 'the', 'zebra'],
  ]);
  const reversed = await WordTokenizer.fromCaptions([...captions].reverse(), { minCount: 1 });
  expect(reversed.toJSON()).toEqual(tokenizer.toJSON());
  const { padId, startId, endId, unknownId, vocabSize } = tokenizer;
  expect([padId, startId, endId, unknownId, vocabSize]).toEqual([0, 1, 2, 3, 14]);
});

test('rare words and words beyond the size are unknown', async () => {
  const frequent = await WordTokenizer.fromCaptions(captions, { minCount: 2 });
  expect(frequent.toJSON().words.slice(4)).toEqual(['a', 'dog', 'sits']);
  expect(frequent.encode('A cat sits')).toEqual([4, 3, 6]);
  const small = await WordTokenizer.fromCaptions(captions, { minCount: 1, maxSize: 6 });
  expect(small.toJSON().words.slice(4)).toEqual(['a', 'dog']);
  expect(small.vocabSize).toBe(6);
});

test('captions come back, special tokens do not', () => {
  const ids = tokenizer.encode("The dog's ball, a CAT");
  expect(tokenizer.words([1, ...ids, 3, 2, 0, 0])).toEqual(['the', 'dog', "'s", 'ball', 'a', 'cat']);
  expect(tokenizer.decode([1, ...ids, 3, 2, 0, 0])).toBe("the dog's ball a cat");
  expect(tokenizer.encode('...')).toEqual([]);
  expect(() => tokenizer.words([14])).toThrow(/Token 14 is not in the vocabulary of 14 words/);
});

test('text cannot smuggle in special tokens', () => {
  expect(tokenizer.encode('<end> <pad>')).toEqual([3, 3]);
  const { words, special } = tokenizer.toJSON();
  const renamed = WordTokenizer.fromJSON({ words: words.with(2, 'stop'), special });
  expect(renamed.encode('stop')).toEqual([3]);
});

test('captions may come as a stream', async () => {
  async function* stream() {
    yield* captions;
  }
  expect((await WordTokenizer.fromCaptions(stream(), { minCount: 1 })).toJSON()).toEqual(tokenizer.toJSON());
});

test('JSON gives the same tokenizer, text options included', async () => {
  const cased = await WordTokenizer.fromCaptions(['A Dog', 'a dog'], { minCount: 1, text: { lowerCase: false } });
  const restored = WordTokenizer.fromJSON(JSON.parse(JSON.stringify(cased)));
  expect(restored.toJSON()).toEqual(cased.toJSON());
  expect(restored.encode('a Dog')).toEqual(cased.encode('a Dog'));
  expect(restored.encode('a Dog')).not.toEqual(restored.encode('A dog'));
});

test('a vocabulary may have its special tokens elsewhere', () => {
  const special = { pad: 3, start: 4, end: 4 + 1, unknown: 2 };
  const other = WordTokenizer.fromJSON({ words: ['a', 'dog', '[UNK]', '[PAD]', '[CLS]', '[SEP]'], special });
  expect(other.encode('a cat dog')).toEqual([0, 2, 1]);
  expect(other.words([4, 0, 1, 5, 3])).toEqual(['a', 'dog']);
});

const whole = tokenizer.toJSON();
test.each([
  ['a list', [], /words/],
  ['no words', { special: whole.special }, /words/],
  ['no end token', { ...whole, special: { pad: 0, start: 1, unknown: 3 } }, /special.end/],
  ['an id outside', { ...whole, special: { ...whole.special, end: 14 } }, /special.end is 14 but there are only 14/],
  ['one id for two', { ...whole, special: { ...whole.special, end: 1 } }, /special.end and special.start are both 1/],
  ['a fraction', { ...whole, special: { ...whole.special, end: 1.5 } }, /special.end/],
  ['a repeated word', { ...whole, words: whole.words.with(9, 'dog') }, /"dog" has two ids, 5 and 9/],
  ['an empty word', { ...whole, words: whole.words.with(9, '') }, /words.9: a word is empty/],
  ['a number for a word', { ...whole, words: [...whole.words, 7] }, /words.14/],
  ['an unknown text option', { ...whole, text: { stemming: true } }, /stemming/],
  ['a wrong text option', { ...whole, text: { numbers: 'all' } }, /text.numbers/],
])('%s is refused as a vocabulary', (_, value, message) => {
  const read = () => WordTokenizer.fromJSON(value, 'run/vocabulary.json');
  expect(read).toThrow(DataError);
  expect(read).toThrow(/^run\/vocabulary.json is not a vocabulary: /);
  expect(read).toThrow(message);
});

test('an empty vocabulary and wrong options are refused', async () => {
  await expect(WordTokenizer.fromCaptions([])).rejects.toThrow(/0 captions.*Pass captions/);
  await expect(WordTokenizer.fromCaptions(captions, { minCount: 9 })).rejects.toThrow(/Lower minCount/);
  await expect(WordTokenizer.fromCaptions(captions, { minCount: 0 })).rejects.toThrow(UsageError);
  await expect(WordTokenizer.fromCaptions(captions, { maxSize: 4 })).rejects.toThrow(UsageError);
  const text = { numbers: 'all' } as unknown as Partial<TextOptions>;
  await expect(WordTokenizer.fromCaptions(captions, { text })).rejects.toThrow(/The option text.numbers: .*"all"/);
});
