import * as v from 'valibot';
import { DataError } from '../core/errors';
import { problemsOf } from '../core/schema';
import { type Files, readIfThere } from './files';
import { decodeUTF8 } from './utf8';

const idSchema = v.pipe(v.number(), v.integer(), v.minValue(0));

const addedTokenSchema = v.looseObject({
  content: v.string(),
  lstrip: v.optional(v.boolean(), false),
  rstrip: v.optional(v.boolean(), false),
  single_word: v.optional(v.boolean(), false),
  normalized: v.optional(v.boolean(), false),
  special: v.optional(v.boolean(), false),
});

/** A special token: its text alone or, in some files, with how it is found in text. */
const specialSchema = v.nullish(v.union([v.string(), v.looseObject({ content: v.string() })]));

const specialsSchema = v.looseObject({
  bos_token: specialSchema,
  eos_token: specialSchema,
  pad_token: specialSchema,
  unk_token: specialSchema,
  cls_token: specialSchema,
  sep_token: specialSchema,
  mask_token: specialSchema,
});

const configSchema = v.looseObject({
  ...specialsSchema.entries,
  tokenizer_class: v.nullish(v.string()),
  model_max_length: v.nullish(v.number()),
  padding_side: v.nullish(v.picklist(['left', 'right'])),
  truncation_side: v.nullish(v.picklist(['left', 'right'])),
  clean_up_tokenization_spaces: v.nullish(v.boolean()),
  do_lower_case: v.nullish(v.boolean()),
  strip_accents: v.nullish(v.boolean()),
  tokenize_chinese_chars: v.nullish(v.boolean()),
  add_prefix_space: v.nullish(v.boolean()),
  add_bos_token: v.nullish(v.boolean()),
  added_tokens_decoder: v.nullish(v.record(v.string(), addedTokenSchema)),
});

const tokenizerSchema = v.looseObject({
  added_tokens: v.optional(v.array(v.looseObject({ ...addedTokenSchema.entries, id: idSchema })), []),
  normalizer: v.nullish(v.looseObject({ type: v.string() }), null),
  pre_tokenizer: v.nullish(v.looseObject({ type: v.string() }), null),
  post_processor: v.nullish(v.looseObject({ type: v.string() }), null),
  decoder: v.nullish(v.looseObject({ type: v.string() }), null),
  model: v.looseObject({
    type: v.optional(v.picklist(['WordPiece', 'BPE', 'Unigram'])),
    vocab: v.union([v.record(v.string(), idSchema), v.array(v.unknown())]),
  }),
});

export type TokenizerJSON = v.InferOutput<typeof tokenizerSchema>;
export type TokenizerConfig = v.InferOutput<typeof configSchema>;

/** What the files of a published tokenizer say, whichever of them there are. */
export type TokenizerFiles = {
  tokenizer: TokenizerJSON | undefined;
  config: TokenizerConfig;
  /** `vocab.txt`, a token per line. */
  lines: string[] | undefined;
  /** `vocab.json`: ids by token. */
  vocab: Record<string, number> | undefined;
  /** `merges.txt`, a pair per line, without the line that names the version. */
  merges: string[] | undefined;
  /** Ids of tokens that were added to the vocabulary, by content. */
  added: Record<string, number>;
  where: string;
};

/**
 * Reads `tokenizer.json`, `tokenizer_config.json`, `special_tokens_map.json`, `added_tokens.json`, `vocab.txt`, `vocab.json` and
 * `merges.txt`, those that are there.
 *
 * @throws DataError that names the file and what is wrong with it
 */
export async function readTokenizerFiles(files: Files): Promise<TokenizerFiles> {
  const json = async <S extends v.GenericSchema>(name: string, schema: S): Promise<v.InferOutput<S> | undefined> => {
    const bytes = await readIfThere(files, name);
    return bytes && parseJSON(bytes, name, files.location, schema);
  };
  const text = async (name: string) => {
    const bytes = await readIfThere(files, name);
    return bytes && decodeUTF8(bytes, `${name} in ${files.location}`);
  };
  const tokenizer = await json('tokenizer.json', tokenizerSchema);
  const config = (await json('tokenizer_config.json', configSchema)) ?? {};
  const specials = (await json('special_tokens_map.json', specialsSchema)) ?? {};
  const added = (await json('added_tokens.json', v.record(v.string(), idSchema))) ?? {};
  // A vocabulary beside tokenizer.json says the same, and can be long.
  const lines = tokenizer ? undefined : (await text('vocab.txt'))?.replace(/\r?\n$/, '').split(/\r?\n/);
  const vocab = tokenizer ? undefined : await json('vocab.json', v.record(v.string(), idSchema));
  const merges = tokenizer
    ? undefined
    : (await text('merges.txt'))?.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#version'));
  const named = Object.fromEntries(Object.entries(config).filter(([, value]) => value !== null && value !== undefined));
  const where = `the tokenizer in ${files.location}`;
  return { tokenizer, config: { ...specials, ...named }, lines, vocab, merges, added, where };
}

function parseJSON<S extends v.GenericSchema>(
  bytes: Uint8Array,
  name: string,
  location: string,
  schema: S,
): v.InferOutput<S> {
  let value: unknown;
  try {
    value = JSON.parse(decodeUTF8(bytes, `${name} in ${location}`));
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(`${name} in ${location} is not JSON: ${(cause as Error).message}. Was it cut short?`, {
      cause,
    });
  }
  const checked = v.safeParse(schema, value);
  if (checked.success) return checked.output;
  const problems = problemsOf(checked.issues, '(the whole file)');
  throw new DataError(`${name} in ${location} is not what it should be:\n  ${problems.join('\n  ')}`);
}
