import { describe, expect, test } from 'vitest';
import { DataError, UsageError } from '../../src/core/errors';
import { PretrainedTokenizer } from '../../src/data/pretrainedTokenizer';
import { memoryStore } from '../../src/io/stores';

const bert = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'a', 'b', 'c', 'd', 'e', '##s', 'σ', '##σ'].join('\n');
const json = (value: unknown) => JSON.stringify(value);

async function load(files: Record<string, string>): Promise<PretrainedTokenizer> {
  const store = memoryStore();
  for (const [name, text] of Object.entries(files)) await store.write(name, new TextEncoder().encode(text));
  return PretrainedTokenizer.load(store);
}

describe('pairs that are too long lose tokens of the longer text first', () => {
  test.each([
    ['a b c d e', 'a b', 8, [2, 5, 6, 7, 3, 5, 6, 3]],
    ['a b', 'a b c d e', 8, [2, 5, 6, 3, 5, 6, 7, 3]],
    ['a b c d', 'a b c d', 8, [2, 5, 6, 3, 5, 6, 7, 3]],
    ['a b c d e', '', 5, [2, 5, 6, 3, 3]],
  ])('%j and %j in %i', async (first, pair, maxLength, ids) => {
    const tokenizer = await load({ 'vocab.txt': bert });
    expect(tokenizer.encodeText(first, { pair, truncation: true, maxLength }).ids).toEqual(ids);
  });

  test('from the left, and with padding on the left, where the files say so', async () => {
    const config = json({ truncation_side: 'left', padding_side: 'left', model_max_length: 5 });
    const tokenizer = await load({ 'vocab.txt': bert, 'tokenizer_config.json': config });
    const [long, short] = tokenizer.encodeBatch(['a b c d e', 'a'], { truncation: true, padding: 'longest' });
    expect(long!.ids).toEqual([2, 7, 8, 9, 3]);
    expect(short).toEqual({ ids: [0, 0, 2, 5, 3], typeIds: [0, 0, 0, 0, 0], mask: [0, 0, 1, 1, 1] });
    expect(tokenizer.maxLength).toBe(5);
  });

  test('and lengths that cannot be meant are refused', async () => {
    const tokenizer = await load({ 'vocab.txt': bert });
    expect(tokenizer.maxLength).toBe(Infinity);
    expect(() => tokenizer.encodeText('a', { truncation: true, maxLength: 1 })).toThrow(UsageError);
    expect(() => tokenizer.encodeText('a', { truncation: true, maxLength: 0 })).toThrow(UsageError);
    expect(() => tokenizer.encodeBatch(['a'], { padding: 'maxLength' })).toThrow(/needs maxLength/);
  });
});

describe('a tokenizer from its vocabulary alone', () => {
  test('has the special tokens of its kind, and those that are added', async () => {
    const files = { 'vocab.txt': bert, 'added_tokens.json': json({ '[DEC]': 13 }) };
    const special = json({
      bos_token: '[DEC]',
      cls_token: { content: '[CLS]' },
      sep_token: '[SEP]',
      pad_token: '[PAD]',
      unk_token: '[UNK]',
    });
    const tokenizer = await load({ ...files, 'special_tokens_map.json': special });
    expect(tokenizer.special).toEqual({ bos: 13, eos: undefined, pad: 0, unk: 1, cls: 2, sep: 3, mask: undefined });
    expect([tokenizer.startId, tokenizer.endId, tokenizer.padId, tokenizer.unknownId]).toEqual([13, 3, 0, 1]);
    expect(tokenizer.vocabSize).toBe(14);
    expect(tokenizer.encode('[DEC] as ΑΣ Σ')).toEqual([13, 5, 10, 1, 11]);
    expect(tokenizer.decode([13, 5, 10, 6, 3])).toBe('as b');
    expect(tokenizer.words([13, 5, 10, 6, 3])).toEqual(['a', '##s', 'b']);
    expect(tokenizer.decode([])).toBe('');
    expect(tokenizer.decode([999])).toBe('');
  });

  test('keeps capitals where it is told to', async () => {
    const tokenizer = await load({
      'vocab.txt': `${bert}\nA`,
      'tokenizer_config.json': json({ do_lower_case: false }),
    });
    expect(tokenizer.encode('A a Σ')).toEqual([13, 5, 1]);
  });

  test('takes every Chinese character for a word, those beyond 16 bits too', async () => {
    const tokenizer = await load({ 'vocab.txt': `${bert}\n中\n𠀀\n𠀁` });
    expect(tokenizer.encode('a中𠀀𠀁b')).toEqual([5, 13, 14, 15, 6]);
    const config = json({ tokenize_chinese_chars: false });
    const whole = await load({ 'vocab.txt': `${bert}\n𠀀𠀁`, 'tokenizer_config.json': config });
    expect(whole.encode('a 𠀀𠀁')).toEqual([5, 13]);
  });

  test('begins with a token of its own where OPT does', async () => {
    const vocab = { '<pad>': 0, '</s>': 1, a: 2, Ġ: 3, b: 4, Ġb: 5 };
    const config = {
      add_bos_token: true,
      bos_token: '</s>',
      eos_token: '</s>',
      pad_token: '<pad>',
      unk_token: '</s>',
      tokenizer_class: 'GPT2Tokenizer',
    };
    const files = {
      'vocab.json': json(vocab),
      'merges.txt': '#version: 0.2\nĠ b\n',
      'tokenizer_config.json': json(config),
    };
    const tokenizer = await load(files);
    expect(tokenizer.encodeText('a b').ids).toEqual([1, 2, 5]);
    expect(tokenizer.encode('a b')).toEqual([2, 5]);
    expect(tokenizer.decode([1, 2, 5, 1])).toBe('a b');
    expect(tokenizer.padId).toBe(0);
  });
});

describe('files that are no tokenizer are refused by name', () => {
  test.each<[string, Record<string, string>, RegExp]>([
    ['none', {}, /there should be tokenizer\.json, or vocab\.txt/],
    ['half of one', { 'vocab.json': '{}' }, /vocab\.json with merges\.txt/],
    [
      'SentencePiece',
      { 'tokenizer_config.json': json({ tokenizer_class: 'LlamaTokenizer' }) },
      /it is a LlamaTokenizer/,
    ],
    ['cut JSON', { 'tokenizer.json': '{"model": ' }, /tokenizer\.json in memory is not JSON.*cut short/],
    ['no model', { 'tokenizer.json': '{}' }, /tokenizer\.json in memory is not what it should be:\n {2}model/],
    ['ids that are none', { 'tokenizer.json': json({ model: { type: 'BPE', vocab: { a: -1 } } }) }, /model\.vocab/],
    ['an unknown model', { 'tokenizer.json': json({ model: { type: 'Magic', vocab: { a: 1 } } }) }, /model\.type/],
  ])('%s', async (_, files, message) => {
    await expect(load(files)).rejects.toThrow(DataError);
    await expect(load(files)).rejects.toThrow(message);
  });
});
