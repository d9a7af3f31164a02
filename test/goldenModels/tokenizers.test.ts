import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { PretrainedTokenizer } from '../../src/data/pretrainedTokenizer';
import { memoryStore } from '../../src/io/stores';
import { directory } from '../../src/node/directory';
import { goldenFolders } from '../goldenCase';

type Batch = { texts: string[]; input_ids: number[][]; token_type_ids?: number[][]; attention_mask: number[][] };
type Pair = { a: string; b: string; input_ids: number[]; token_type_ids?: number[]; attention_mask: number[] };
type Sentence = Record<'text' | 'decode' | 'decode_clean' | 'decode_special_skip' | 'decode_special_keep', string> & {
  ids: number[];
  tokens: string[];
  ids_special: number[];
};

/** The tokenizer of a case from its vocabulary alone, as files older than tokenizer.json have it. */
async function withoutTokenizerJSON(folder: string): Promise<PretrainedTokenizer> {
  const [given, store] = [directory(folder), memoryStore()];
  for (const name of await given.list())
    if (!['tokenizer.json', 'golden.json'].includes(name)) await store.write(name, await given.read(name));
  return PretrainedTokenizer.load(store);
}

describe.each(goldenFolders('tokenizer_'))('%s', (folder) => {
  const { results } = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8'));
  const compared = new Set<string>();
  const take = (name: string) => {
    compared.add(name);
    return results[name];
  };
  const each: [string, () => Promise<PretrainedTokenizer>][] = [
    ['tokenizer.json', () => PretrainedTokenizer.load(directory(folder))],
    ['the vocabulary alone', () => withoutTokenizerJSON(folder)],
  ];

  describe.each(each)('from %s', (_, load) => {
    test('every string: ids, tokens, and text again', async () => {
      const tokenizer = await load();
      const raw = { skipSpecials: false, cleanUp: false };
      for (const sentence of take('strings') as Sentence[]) {
        const { ids, ids_special: special, text } = sentence;
        expect({
          text,
          ids: tokenizer.encode(text),
          tokens: tokenizer.tokens(text),
          ids_special: tokenizer.encodeText(text).ids,
          decode: tokenizer.decode(ids, raw),
          decode_clean: tokenizer.decode(ids, { ...raw, cleanUp: true }),
          decode_special_skip: tokenizer.decode(special, { ...raw, skipSpecials: true }),
          decode_special_keep: tokenizer.decode(special, raw),
        }).toEqual(sentence);
      }
    });

    test('pairs', async () => {
      const tokenizer = await load();
      for (const { a, b, input_ids, token_type_ids, attention_mask } of (take('pairs') ?? []) as Pair[]) {
        const { ids, typeIds, mask } = tokenizer.encodeText(a, { pair: b });
        expect([ids, typeIds, mask]).toEqual([input_ids, token_type_ids ?? typeIds, attention_mask]);
      }
    });

    test('batches, cut and padded', async () => {
      const tokenizer = await load();
      for (const name of Object.keys(results).filter((key) => key.startsWith('batch_'))) {
        const batch: Batch = take(name);
        const maxLength = /^batch_max_length_(\d+)$/.exec(name)?.[1];
        expect(maxLength !== undefined || name === 'batch_longest', name).toBe(true);
        const encoded = tokenizer.encodeBatch(
          batch.texts,
          maxLength === undefined
            ? { padding: 'longest' }
            : { padding: 'maxLength', truncation: true, maxLength: Number(maxLength) },
        );
        expect(encoded.map(({ ids }) => ids)).toEqual(batch.input_ids);
        expect(encoded.map(({ mask }) => mask)).toEqual(batch.attention_mask);
        if (batch.token_type_ids) expect(encoded.map(({ typeIds }) => typeIds)).toEqual(batch.token_type_ids);
      }
    });

    test('text of ids that no text gives', async () => {
      const tokenizer = await load();
      for (const { ids, ...texts } of take('random_ids_decode'))
        expect({
          decode: tokenizer.decode(ids, { skipSpecials: false, cleanUp: false }),
          decode_skip: tokenizer.decode(ids, { cleanUp: false }),
          decode_clean: tokenizer.decode(ids, { skipSpecials: false, cleanUp: true }),
        }).toEqual(texts);
    });

    test('special tokens and the size of the vocabulary', async () => {
      const tokenizer = await load();
      const { vocab_size: size, ...special } = take('special');
      expect(tokenizer.vocabSize).toBe(size);
      expect(Object.fromEntries(Object.entries(tokenizer.special).map(([role, id]) => [role, id ?? null]))).toEqual(
        special,
      );
    });
  });

  test('all results were compared', () => {
    // A list of texts where Python's own tokenizer differs; the results are those of `tokenizers` all the same.
    take('slow_tokenizer_differs');
    expect(Object.keys(results).filter((name) => !compared.has(name))).toEqual([]);
  });
});
