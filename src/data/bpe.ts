import { DataError, expectWhole, UsageError } from '../core/errors';
import { learnMerges } from './bpeMerges';
import { byteAlphabet, byteLevelPieces } from './byteLevel';
import { PretrainedTokenizer } from './pretrainedTokenizer';
import type { Source } from './streams';
import type { TokenizerJSON } from './tokenizerFiles';

export type BPEOptions = {
  /** Tokens, the 4 special ones and the 256 bytes included; fewer where the captions do not have so many pairs. Default 4000. */
  vocabSize?: number;
  /** A pair has to occur this often to become a token. Default 2. */
  minCount?: number;
  lowerCase?: boolean;
  /** `drop` leaves punctuation out, but for apostrophes and hyphens, and joins what was cut before these (`dog 's`). */
  punctuation?: 'drop' | 'keep';
};

const special = ['<pad>', '<start>', '<end>', '<unknown>'];

/**
 * A tokenizer of pieces of words, learned from captions: byte-level byte-pair encoding, as GPT-2's. No word is unknown to it: what it
 * has not seen is spelled in shorter pieces.
 *
 * Its files are those of Hugging Face's `tokenizers`, whose `BpeTrainer` learns the same merges from the same captions.
 *
 * @throws DataError where there are no words; UsageError where an option cannot be meant
 */
export async function trainBPE(
  captions: Source<string>,
  { vocabSize = 4000, minCount = 2, lowerCase = true, punctuation = 'drop' }: BPEOptions = {},
): Promise<PretrainedTokenizer> {
  const start = [...special, ...byteAlphabet];
  expectWhole('vocabSize', vocabSize, start.length);
  expectWhole('minCount', minCount, 1);
  if (punctuation !== 'drop' && punctuation !== 'keep')
    throw new UsageError(`punctuation is '${punctuation}' but should be drop or keep.`);
  const steps = normalisation(lowerCase, punctuation);
  const words = new Map<string, number>();
  for await (const caption of captions)
    for (const piece of byteLevelPieces(steps.reduce((text, { apply }) => apply(text), caption)))
      words.set(piece, (words.get(piece) ?? 0) + 1);
  if (words.size === 0) throw new DataError('There are no words in the captions to learn pieces of. Pass captions.');
  const { tokens, merges } = learnMerges(words, start, { vocabSize, minCount });
  const tokenizer: TokenizerJSON = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({
      ...{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
    })),
    normalizer: { type: 'Sequence', normalizers: steps.map(({ json }) => json) },
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      ...{ dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null },
      ...{ fuse_unk: false, byte_fallback: false, ignore_merges: false },
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  };
  const [pad, startToken, end, unknown] = special;
  const config = {
    ...{ tokenizer_class: 'PreTrainedTokenizerFast', clean_up_tokenization_spaces: false },
    ...{ pad_token: pad!, bos_token: startToken!, eos_token: end!, unk_token: unknown! },
  };
  const none = { lines: undefined, vocab: undefined, merges: undefined, added: {} };
  return new PretrainedTokenizer({ tokenizer, config, ...none, where: 'the tokenizer that was trained' });
}

/** A step of making a caption uniform: here, and as `tokenizer.json` says it. */
type Step = { apply(text: string): string; json: { type: string } & Record<string, unknown> };

function normalisation(lowerCase: boolean, punctuation: 'drop' | 'keep'): Step[] {
  const replace = (pattern: string, content: string): Step => ({
    apply: (text) => text.replace(new RegExp(pattern, 'gu'), content),
    json: { type: 'Replace', pattern: { Regex: pattern }, content },
  });
  return [
    { apply: (text) => text.normalize('NFKC'), json: { type: 'NFKC' } },
    // Letter by letter, as the reference does it: JavaScript alone makes another sigma of the last one of a word.
    ...(lowerCase
      ? [{ apply: (text: string) => text.replaceAll('Σ', 'σ').toLowerCase(), json: { type: 'Lowercase' } }]
      : []),
    ...(punctuation === 'drop'
      ? [
          replace("[^\\p{L}\\p{M}\\p{N}\\s'-]+", ' '),
          replace("\\s+(?=(?:'(?:s|m|d|re|ve|ll)|n't)(?![\\p{L}\\p{N}]))", ''),
        ]
      : []),
    replace('\\s+', ' '),
    { apply: (text) => text.replace(/^ +| +$/g, ''), json: { type: 'Strip', strip_left: true, strip_right: true } },
  ];
}
