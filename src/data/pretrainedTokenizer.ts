import { Tokenizer as TokenizerEngine } from '@huggingface/tokenizers';
import { DataError, expectWhole, UsageError } from '../core/errors';
import type { Files } from './files';
import type { Tokenizer } from './tokenizer';
import { readTokenizerFiles, type TokenizerConfig, type TokenizerFiles, type TokenizerJSON } from './tokenizerFiles';
import { tokenizerJSONOf } from './tokenizerJSON';

export type EncodeOptions = {
  /** Put the special tokens around it that the model was trained with; by default true. */
  specials?: boolean;
  /** A second text, such as the answer to a question. */
  pair?: string;
  /** Cut what is longer than `maxLength`; by default false. */
  truncation?: boolean;
  /** Tokens, the special ones included; by default what the model was trained with. */
  maxLength?: number;
};

export type EncodeBatchOptions = Omit<EncodeOptions, 'pair'> & {
  /** Make all as long as the longest, or `maxLength` long; by default they keep their lengths. */
  padding?: 'longest' | 'maxLength';
};

/** `typeIds`: 0 in the first text and 1 in the second. `mask`: 1 for a token, 0 for padding. */
export type Encoded = { ids: number[]; typeIds: number[]; mask: number[] };

export type DecodeOptions = {
  /** Leave special tokens out; by default true. */
  skipSpecials?: boolean;
  /** Take spaces away before punctuation and contractions; by default as the tokenizer's configuration says. */
  cleanUp?: boolean;
};

const roles = ['bos', 'eos', 'pad', 'unk', 'cls', 'sep', 'mask'] as const;
type Role = (typeof roles)[number];

/** What the tokenizer classes take where no file names a special token. */
const defaults: Record<string, Partial<Record<Role, string>>> = {
  WordPiece: { pad: '[PAD]', unk: '[UNK]', cls: '[CLS]', sep: '[SEP]', mask: '[MASK]' },
  CLIP: { bos: '<|startoftext|>', eos: '<|endoftext|>', pad: '<|endoftext|>', unk: '<|endoftext|>' },
  BPE: { bos: '<|endoftext|>', eos: '<|endoftext|>', unk: '<|endoftext|>' },
};

/**
 * The tokenizer of a published model: WordPiece (BERT, BLIP), byte-level BPE (GPT-2, OPT), CLIP's BPE, and whatever else
 * `tokenizer.json` describes to `@huggingface/tokenizers`. Ids and text are those of Hugging Face's `tokenizers`.
 *
 * Where @huggingface/tokenizers 0.2.0 gives others, this mends it: letters are made small one by one (a capital sigma at the end of a
 * word becomes σ, where JavaScript alone gives ς), Chinese characters beyond U+FFFF are words of their own too, and the text
 * of CLIP's ids is stripped of spaces on both sides as Python's `str.strip` does.
 */
export class PretrainedTokenizer implements Tokenizer {
  readonly vocabSize: number;
  readonly padId: number;
  readonly startId: number;
  readonly endId: number;
  readonly unknownId: number;
  /** Ids of the tokens with a part to play; undefined for those that this tokenizer has not. */
  readonly special: Readonly<Record<Role, number | undefined>>;
  /** Most tokens that the model reads; Infinity where the files do not say. */
  readonly maxLength: number;
  private readonly engine: TokenizerEngine;
  private readonly json: TokenizerJSON;
  private readonly specialIds: ReadonlySet<number>;
  private readonly prepare: (text: string) => string;
  private readonly endOfWord: string | undefined;

  /** From files that were read; `load` reads and checks them. */
  constructor(private readonly files: TokenizerFiles) {
    const { config, where } = files;
    const named = specialTokens(files);
    this.json = withAddedTokens(files.tokenizer ?? tokenizerJSONOf(files, (role) => named[role as Role]), files, named);
    const { json } = this;
    try {
      this.engine = new TokenizerEngine(json, config);
    } catch (cause) {
      throw new DataError(`${where} cannot be used: ${(cause as Error).message}.`, { cause });
    }
    const idOf = (role: Role) => (named[role] === undefined ? undefined : this.engine.token_to_id(named[role]));
    this.special = Object.fromEntries(roles.map((role) => [role, idOf(role)])) as Record<Role, number | undefined>;
    const { bos, eos, pad, unk, cls, sep } = this.special;
    const ids = [...this.engine.get_vocab().values()];
    this.vocabSize = ids.reduce((most, id) => Math.max(most, id + 1), 0);
    // GPT-2 pads with what ends a text, and begins with it.
    this.padId = pad ?? eos ?? 0;
    this.startId = bos ?? cls ?? eos ?? 0;
    this.endId = eos ?? sep ?? this.padId;
    this.unknownId = unk ?? this.padId;
    this.specialIds = new Set(json.added_tokens.filter(({ special }) => special).map(({ id }) => id));
    const { model_max_length: longest } = config;
    this.maxLength = typeof longest === 'number' && longest < 1e9 ? longest : Number.POSITIVE_INFINITY;
    this.prepare = preparation(json.normalizer);
    this.endOfWord = (json.model as { end_of_word_suffix?: string | null }).end_of_word_suffix || undefined;
  }

  /**
   * From `tokenizer.json` with `tokenizer_config.json` and `special_tokens_map.json` or, where that is not there, from
   * `vocab.txt`, or `vocab.json` and `merges.txt`.
   *
   * @param files - such as a `Store`: `directory(path)`, or what `openPretrained` gives
   * @throws DataError that says which file is missing or what is wrong with it
   */
  static async load(files: Files): Promise<PretrainedTokenizer> {
    return new PretrainedTokenizer(await readTokenizerFiles(files));
  }

  /** The files that `load` reads, by name. */
  toJSON(): { 'tokenizer.json': TokenizerJSON; 'tokenizer_config.json': TokenizerConfig } {
    return { 'tokenizer.json': this.json, 'tokenizer_config.json': this.files.config };
  }

  encode(caption: string): number[] {
    return this.encodeText(caption, { specials: false }).ids;
  }

  /**
   * The ids of a text, or of two, with the special tokens around them.
   *
   * @throws UsageError where `maxLength` leaves no room for the special tokens
   */
  encodeText(
    text: string,
    { specials = true, pair, truncation = false, maxLength = this.maxLength }: EncodeOptions = {},
  ): Encoded {
    if (maxLength !== Number.POSITIVE_INFINITY) expectWhole('maxLength', maxLength, 1);
    let first = this.tokens(text);
    let second = pair === undefined ? undefined : this.tokens(pair);
    const around = specials ? this.assemble([], second && [], true).tokens.length : 0;
    if (truncation) {
      const room = maxLength - around;
      if (room < 0) throw new UsageError(`maxLength is ${maxLength}, but the special tokens alone are ${around}.`);
      [first, second] = this.cut(first, second, room);
    }
    const { tokens, token_type_ids: types } = this.assemble(first, second, specials);
    const ids = tokens.map((token) => this.engine.token_to_id(token) ?? this.unknownId);
    return { ids, typeIds: types ?? ids.map(() => 0), mask: ids.map(() => 1) };
  }

  /** The ids of several texts; padding lies where the model expects it (right of the text, unless configured). */
  encodeBatch(texts: readonly string[], { padding, ...options }: EncodeBatchOptions = {}): Encoded[] {
    const all = texts.map((text) => this.encodeText(text, options));
    if (padding === undefined) return all;
    const { maxLength = this.maxLength } = options;
    if (padding === 'maxLength' && maxLength === Number.POSITIVE_INFINITY)
      throw new UsageError("The tokenizer's files state no length, so padding: 'maxLength' needs maxLength too.");
    const length = padding === 'maxLength' ? maxLength : all.reduce((most, { ids }) => Math.max(most, ids.length), 0);
    const left = this.files.config.padding_side === 'left';
    const pad = (values: number[], value: number) => {
      const padded = Array.from({ length: Math.max(0, length - values.length) }, () => value);
      return left ? [...padded, ...values] : [...values, ...padded];
    };
    return all.map(({ ids, typeIds, mask }) => ({
      ids: pad(ids, this.padId),
      typeIds: pad(typeIds, 0),
      mask: pad(mask, 0),
    }));
  }

  /** The tokens of a text as the vocabulary writes them, without special ones around them. */
  tokens(text: string): string[] {
    return this.engine.tokenize(this.prepare(text), { add_special_tokens: false });
  }

  /** The id of a token as the vocabulary writes it. */
  idOf(token: string): number | undefined {
    return this.engine.token_to_id(token);
  }

  /** One string per id, pieces of words too, so that each stands beside its log-probability; special tokens are left out. */
  words(tokens: readonly number[]): string[] {
    return tokens
      .filter((id) => !this.specialIds.has(id))
      .map((id) => this.decode([id], { skipSpecials: false, cleanUp: false }).trim());
  }

  decode(tokens: readonly number[], { skipSpecials = true, cleanUp }: DecodeOptions = {}): string {
    const known = tokens.filter(
      (id) => !(skipSpecials && this.specialIds.has(id)) && this.engine.id_to_token(id) !== undefined,
    );
    if (known.length === 0) return '';
    const text = this.engine.decode(known, { skip_special_tokens: false, clean_up_tokenization_spaces: false });
    const stripped = this.endOfWord === undefined ? text : pythonStrip(text);
    return (cleanUp ?? this.files.config.clean_up_tokenization_spaces ?? true) ? cleanedUp(stripped) : stripped;
  }

  private assemble(first: string[], second: string[] | undefined, specials: boolean) {
    const { post_processor: assemble } = this.engine;
    if (assemble) return assemble(first, second ?? null, specials);
    return { tokens: [...first, ...(second ?? [])], token_type_ids: undefined };
  }

  /** Takes from the longer text first, until both together have `room` tokens. */
  private cut(first: string[], second: string[] | undefined, room: number): [string[], string[] | undefined] {
    const fromLeft = this.files.config.truncation_side === 'left';
    const keep = (tokens: string[], count: number) =>
      tokens.length <= count ? tokens : fromLeft ? tokens.slice(tokens.length - count) : tokens.slice(0, count);
    if (!second) return [keep(first, room), undefined];
    if (first.length + second.length <= room) return [first, second];
    const shorter = Math.min(first.length, second.length);
    let [less, more] = [shorter, Math.max(shorter, room - shorter)];
    if (less + more > room) [less, more] = [Math.floor(room / 2), Math.ceil(room / 2)];
    const [a, b] = first.length > second.length ? [more, less] : [less, more];
    return [keep(first, a), keep(second, b)];
  }
}

/** The texts of the special tokens: those that the files name, else those of the class. */
function specialTokens({ tokenizer, config, lines, vocab }: TokenizerFiles): Partial<Record<Role, string>> {
  const kind = config.tokenizer_class?.replace(/Fast$/, '');
  const { type, end_of_word_suffix: suffix } = (tokenizer?.model ?? {}) as Record<string, unknown>;
  const wordPiece = lines !== undefined || type === 'WordPiece';
  const clip = kind === 'CLIPTokenizer' || suffix === '</w>' || (vocab !== undefined && Object.hasOwn(vocab, 'a</w>'));
  const known = wordPiece ? defaults.WordPiece! : clip ? defaults.CLIP! : vocab || type === 'BPE' ? defaults.BPE! : {};
  const named = config as Record<string, string | { content: string } | null | undefined>;
  const textOf = (role: Role) => {
    const value = named[`${role}_token`];
    return typeof value === 'object' && value !== null ? value.content : (value ?? undefined);
  };
  const anyNamed = roles.some((role) => textOf(role) !== undefined);
  const texts = roles.map((role) => [role, textOf(role) ?? (anyNamed ? undefined : known[role])] as const);
  return Object.fromEntries(texts.filter(([, text]) => text !== undefined));
}

/** Adds tokens that only `tokenizer_config.json` or `added_tokens.json` name, and marks the special ones as such. */
function withAddedTokens(
  json: TokenizerJSON,
  { config, added }: TokenizerFiles,
  named: Partial<Record<Role, string>>,
): TokenizerJSON {
  const tokens = new Map(json.added_tokens.map((token) => [token.content, token]));
  const special = new Set(Object.values(named));
  for (const [id, token] of Object.entries(config.added_tokens_decoder ?? {}))
    if (!tokens.has(token.content)) tokens.set(token.content, { ...token, id: Number(id) });
  for (const [content, id] of Object.entries(added))
    if (!tokens.has(content))
      tokens.set(content, {
        id,
        content,
        lstrip: false,
        rstrip: false,
        single_word: false,
        normalized: !special.has(content),
        special: special.has(content),
      });
  return { ...json, added_tokens: [...tokens.values()].sort((a, b) => a.id - b.id) };
}

/** The blocks of Chinese characters that BERT separates and that take two units of UTF-16, which the library does not see. */
const ideographs = /[\u{20000}-\u{2a6df}\u{2a700}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu;

/** What has to be done to a text before a normaliser of the library, so that it gives what the reference does. */
function preparation(normalizer: TokenizerJSON['normalizer']): (text: string) => string {
  type Normalizer = {
    type: string;
    lowercase?: boolean;
    handle_chinese_chars?: boolean;
    normalizers?: TokenizerJSON['normalizer'][];
  };
  const {
    type,
    lowercase,
    handle_chinese_chars: separates,
    normalizers = [],
  } = (normalizer ?? { type: '' }) as Normalizer;
  const bert = type === 'BertNormalizer';
  const steps = normalizers.map(preparation);
  if (type === 'Lowercase' || (bert && lowercase)) steps.push((text) => text.replaceAll('Σ', 'σ'));
  if (bert && separates) steps.push((text) => text.replace(ideographs, ' $& '));
  return (text) => steps.reduce((prepared, step) => step(prepared), text);
}

/** Spaces that Python's `str.strip` takes away: not the byte order mark, but some separators that JavaScript leaves. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: four of the separators are control characters
const edges = /^(?:[^\S\ufeff]|[\u001c-\u001f\u0085])+|(?:[^\S\ufeff]|[\u001c-\u001f\u0085])+$/g;

const pythonStrip = (text: string) => text.replace(edges, '');

/** @see transformers, `PreTrainedTokenizerBase.clean_up_tokenization` */
function cleanedUp(text: string): string {
  const replacements: [string, string][] = [
    [' .', '.'],
    [' ?', '?'],
    [' !', '!'],
    [' ,', ','],
    [" ' ", "'"],
    [" n't", "n't"],
    [" 'm", "'m"],
    [" 's", "'s"],
    [" 've", "'ve"],
    [" 're", "'re"],
  ];
  return replacements.reduce((cleaned, [from, to]) => cleaned.replaceAll(from, to), text);
}
