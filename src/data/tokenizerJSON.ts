import { DataError } from '../core/errors';
import type { TokenizerFiles, TokenizerJSON } from './tokenizerFiles';

/**
 * What `tokenizer.json` would say, from the older files alone: `vocab.txt` (WordPiece), or `vocab.json` and `merges.txt`
 * (byte-level BPE, GPT-2's or CLIP's).
 *
 * @see transformers, `convert_slow_tokenizer.py`: `BertConverter`, `GPT2Converter`, `CLIPConverter`
 * @throws DataError where the files are not those of such a tokenizer
 */
export function tokenizerJSONOf(files: TokenizerFiles, special: (name: string) => string | undefined): TokenizerJSON {
  const { lines, vocab, merges, config, where } = files;
  const kind = config.tokenizer_class?.replace(/Fast$/, '');
  if (lines) return wordPiece(files, lines, special);
  if (vocab && merges) {
    const clip = kind === undefined || kind === null ? Object.hasOwn(vocab, 'a</w>') : kind === 'CLIPTokenizer';
    return clip ? clipBPE(vocab, merges, special) : byteLevelBPE(files, vocab, merges, special);
  }
  throw new DataError(
    `${where} is incomplete: there should be tokenizer.json, or vocab.txt, or vocab.json with merges.txt` +
      `${kind ? ` (it is a ${kind})` : ''}. Tokenizers kept in other files, such as SentencePiece models, have to be saved as tokenizer.json first.`,
  );
}

function wordPiece(
  { config }: TokenizerFiles,
  lines: readonly string[],
  special: (name: string) => string | undefined,
): TokenizerJSON {
  const vocab = Object.fromEntries(lines.map((token, id) => [token, id]));
  const [cls, sep] = [special('cls')!, special('sep')!];
  const names = ['pad', 'unk', 'cls', 'sep', 'mask'].map(special).filter((token) => token !== undefined);
  const part = (id: string, type: number) => ({ SpecialToken: { id, type_id: type } });
  const sequence = (id: string, type: number) => ({ Sequence: { id, type_id: type } });
  return {
    added_tokens: specialTokens(vocab, names),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: config.tokenize_chinese_chars ?? true,
      strip_accents: config.strip_accents ?? null,
      lowercase: config.do_lower_case ?? true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [part(cls, 0), sequence('A', 0), part(sep, 0)],
      pair: [part(cls, 0), sequence('A', 0), part(sep, 0), sequence('B', 1), part(sep, 1)],
      special_tokens: Object.fromEntries(
        [cls, sep].map((token) => [token, { id: token, ids: [vocab[token]], tokens: [token] }]),
      ),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: special('unk'),
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab,
    },
  };
}

function byteLevelBPE(
  { config }: TokenizerFiles,
  vocab: Record<string, number>,
  merges: readonly string[],
  special: (name: string) => string | undefined,
): TokenizerJSON {
  const prefix = config.add_prefix_space ?? false;
  const names = ['bos', 'eos', 'unk', 'pad'].map(special).filter((token) => token !== undefined);
  const bos = special('bos');
  const begin =
    config.add_bos_token && bos !== undefined
      ? {
          type: 'TemplateProcessing',
          single: [{ SpecialToken: { id: bos, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
          pair: [
            { SpecialToken: { id: bos, type_id: 0 } },
            { Sequence: { id: 'A', type_id: 0 } },
            { SpecialToken: { id: bos, type_id: 1 } },
            { Sequence: { id: 'B', type_id: 1 } },
          ],
          special_tokens: { [bos]: { id: bos, ids: [vocab[bos]], tokens: [bos] } },
        }
      : { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true };
  return {
    added_tokens: specialTokens(vocab, names),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: prefix, trim_offsets: true, use_regex: true },
    post_processor: begin,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { ...bpe(vocab, merges), continuing_subword_prefix: '', end_of_word_suffix: '', unk_token: null },
  };
}

function clipBPE(
  vocab: Record<string, number>,
  merges: readonly string[],
  special: (name: string) => string | undefined,
): TokenizerJSON {
  const [bos, eos] = [special('bos')!, special('eos')!];
  return {
    added_tokens: specialTokens(vocab, [bos, eos], true),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          pattern: { Regex: "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+" },
          behavior: 'Removed',
          invert: true,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: {
      type: 'RobertaProcessing',
      sep: [eos, vocab[eos]],
      cls: [bos, vocab[bos]],
      trim_offsets: false,
      add_prefix_space: false,
    },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      ...bpe(vocab, merges),
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      unk_token: special('unk') ?? eos,
    },
  };
}

const bpe = (vocab: Record<string, number>, merges: readonly string[]) => ({
  type: 'BPE' as const,
  dropout: null,
  fuse_unk: false,
  byte_fallback: false,
  ignore_merges: false,
  vocab,
  merges: merges.map((line) => line.split(' ')),
});

/** Special tokens that the vocabulary holds, each once. */
function specialTokens(vocab: Record<string, number>, names: readonly string[], normalized = false) {
  return [...new Set(names)]
    .filter((content) => Object.hasOwn(vocab, content))
    .map((content) => ({
      id: vocab[content]!,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized,
      special: true,
    }));
}
