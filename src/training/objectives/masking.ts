import { expectWhole, UsageError } from '../../core/errors';
import type { Random } from '../../core/random';

export type MaskingOptions = {
  /** What stands where a word is hidden. */
  maskId: number;
  /** What a word may be replaced by: every id below this that is not in `special`. */
  vocabSize: number;
  /** Ids that are never hidden and never put in place of a word, such as start, end and padding. */
  special: readonly number[];
  /** Share of the tokens that are to be guessed, in (0, 1]. Default 0.15. */
  share?: number;
  /** Whether a token goes on with the word of the one before; given, words are chosen whole. */
  continues?: (token: number) => boolean;
};

export type MaskedTokens = {
  /** What is read. */
  tokens: number[];
  /** Places of the tokens that are to be guessed, in order. */
  places: number[];
  /** What stood there. */
  targets: number[];
};

/**
 * Chooses tokens to be guessed: max(1, round(share * tokens)) of them. Of these 80 % are hidden behind `maskId`, 10 % become a
 * random word, and 10 % stay, so that every word has to be understood.
 *
 * Whole words are taken in random order as long as they fit in that number; the first is taken in any case.
 *
 * @param tokens - of one text; none is chosen where all are special
 * @see Devlin et al. 2019, https://arxiv.org/abs/1810.04805, section 3.1; the number and the whole words as in
 * `create_pretraining_data.py` of google-research/bert, which may also take no word at all where the first is long
 */
export function maskTokens(tokens: readonly number[], options: MaskingOptions, random: Random): MaskedTokens {
  const { maskId, vocabSize, special, share = 0.15, continues } = options;
  if (!(share > 0 && share <= 1)) throw new UsageError(`share is ${share} but should be in (0, 1], such as 0.15.`);
  expectWhole('vocabSize', vocabSize, 1);
  const kept = new Set(special);
  const words: number[][] = []; // places of the tokens of each
  for (const [place, token] of tokens.entries()) {
    if (kept.has(token)) continue;
    const last = words.at(-1);
    if (last && continues?.(token) && last.at(-1) === place - 1) last.push(place);
    else words.push([place]);
  }
  const count = Math.max(1, Math.round(share * words.reduce((sum, { length }) => sum + length, 0)));
  const places: number[] = [];
  for (const word of random.fork('words').shuffle(words))
    if (places.length === 0 || places.length + word.length <= count) places.push(...word);
  places.sort((a, b) => a - b);
  const fates = random.fork('fates').uniform(places.length);
  const draws = random.fork('replacements').uniform(places.length);
  const excluded = [...kept].filter((id) => id < vocabSize).sort((a, b) => a - b);
  const masked = [...tokens];
  for (const [i, place] of places.entries()) {
    if (fates[i]! < 0.8) masked[place] = maskId;
    else if (fates[i]! < 0.9)
      masked[place] = ordinaryId(Math.floor(draws[i]! * (vocabSize - excluded.length)), excluded);
  }
  return { tokens: masked, places, targets: places.map((place) => tokens[place]!) };
}

/** The id at `index` of those that are not excluded. */
function ordinaryId(index: number, excluded: readonly number[]): number {
  return excluded.reduce((id, special) => (id >= special ? id + 1 : id), index);
}
