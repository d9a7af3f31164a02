import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DataError, UsageError } from '../../src/core/errors';
import { trainBPE } from '../../src/data/bpe';
import { PretrainedTokenizer } from '../../src/data/pretrainedTokenizer';

const goldens = join(import.meta.dirname, '../goldens');
const read = (name: string) => JSON.parse(readFileSync(join(goldens, name), 'utf8'));

type Case = {
  vocabSize: number;
  minCount: number;
  punctuation: 'drop' | 'keep';
  tokens: string[];
  merges: string[];
  probes: { text: string; ids: number[]; decoded: string }[];
};
// What Hugging Face's tokenizers learn from the same captions; made by scripts/make_bpe_golden.py.
const { cases } = read('bpe.json') as { cases: Case[] };
const { items } = read('metrics/captions.inputs.json') as { items: { candidate: string; references: string[] }[] };
const captions = [...new Set(items.flatMap(({ candidate, references }) => [candidate, ...references]))];

test.each(cases)('learns the merges of tokenizers: $vocabSize tokens, punctuation $punctuation', async (golden) => {
  const { vocabSize, minCount, punctuation } = golden;
  const tokenizer = await trainBPE(captions, { vocabSize, minCount, punctuation });
  const { model } = tokenizer.toJSON()['tokenizer.json'] as unknown as {
    model: { vocab: Record<string, number>; merges: [string, string][] };
  };
  expect(model.merges.map((pair) => pair.join(' '))).toEqual(golden.merges);
  expect(Object.entries(model.vocab).sort(([, a], [, b]) => a - b)).toEqual(
    golden.tokens.map((token, id) => [token, id]),
  );
  expect(tokenizer.vocabSize).toBe(golden.tokens.length);
  for (const { text, ids, decoded } of golden.probes) {
    expect(tokenizer.encode(text), text).toEqual(ids);
    expect(tokenizer.decode(ids), text).toBe(decoded);
  }
});

test('has the special ids of the word tokenizer, and says what it has said when it is loaded again', async () => {
  const tokenizer = await trainBPE(captions, { vocabSize: 420 });
  expect([tokenizer.padId, tokenizer.startId, tokenizer.endId, tokenizer.unknownId]).toEqual([0, 1, 2, 3]);
  const files = tokenizer.toJSON();
  const bytesOf = (name: string) => new TextEncoder().encode(JSON.stringify(files[name as keyof typeof files]));
  const again = await PretrainedTokenizer.load({
    location: 'memory',
    read: async (name) => bytesOf(name),
    size: async (name) => (name in files ? bytesOf(name).length : undefined),
  });
  for (const caption of captions.slice(0, 40)) {
    const ids = again.encode(caption);
    expect(ids).toEqual(tokenizer.encode(caption));
    expect(again.decode([again.startId, ...ids, again.endId])).toBe(tokenizer.decode(ids));
  }
  expect([again.padId, again.startId, again.endId, again.unknownId]).toEqual([0, 1, 2, 3]);
});

test('the order of the captions is no matter', async () => {
  const [one, other] = await Promise.all([captions, [...captions].reverse()].map((all) => trainBPE(all)));
  expect(other!.toJSON()).toEqual(one!.toJSON());
});

test('captions without words, and options that cannot be meant', async () => {
  await expect(trainBPE([' ', '...'])).rejects.toThrow(DataError);
  await expect(trainBPE(captions, { vocabSize: 259 })).rejects.toThrow(UsageError);
  await expect(trainBPE(captions, { minCount: 0 })).rejects.toThrow(UsageError);
});
