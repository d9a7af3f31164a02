import { normaliseCaption, type TextOptions } from './normalise';
import type { Source } from './streams';
import type { Tokenizer } from './tokenizer';

/** How often each word occurs in captions, made uniform as `WordTokenizer` does. */
export async function countWords(
  captions: Source<string>,
  text: Partial<TextOptions> = {},
): Promise<{ counts: Map<string, number>; captions: number }> {
  const counts = new Map<string, number>();
  let read = 0;
  for await (const caption of captions) {
    read++;
    for (const word of normaliseCaption(caption, text).split(' '))
      if (word !== '') counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return { counts, captions: read };
}

/** What a vocabulary of the words that occur `minCount` times knows of the captions that it was counted on. */
export type VocabularySize = {
  minCount: number;
  words: number;
  /** Share of all words. */
  coverage: number;
};

/** Sizes and coverage for thresholds, so that one can be chosen. */
export function vocabularySizes(counts: ReadonlyMap<string, number>, minCounts: readonly number[]): VocabularySize[] {
  const all = [...counts.values()];
  const total = all.reduce((sum, count) => sum + count, 0);
  return minCounts.map((minCount) => {
    const kept = all.filter((count) => count >= minCount);
    const known = kept.reduce((sum, count) => sum + count, 0);
    return { minCount, words: kept.length, coverage: total === 0 ? 0 : known / total };
  });
}

/** What captions hold that a vocabulary does not. */
export type OutOfVocabulary = {
  captions: number;
  /** Words of the captions, counted as often as they occur. */
  words: number;
  /** Those that are unknown, as often as they occur. */
  unknown: number;
  /** Captions with an unknown word at least. */
  captionsWithUnknown: number;
  /** Unknown words, the most frequent first, then by letter. */
  unknownWords: { word: string; count: number }[];
};

/** @param known - the words of the vocabulary */
export async function outOfVocabulary(
  captions: Source<string>,
  known: ReadonlySet<string>,
  text: Partial<TextOptions> = {},
): Promise<OutOfVocabulary> {
  const missing = new Map<string, number>();
  const found = { captions: 0, words: 0, unknown: 0, captionsWithUnknown: 0 };
  for await (const caption of captions) {
    const words = normaliseCaption(caption, text)
      .split(' ')
      .filter((word) => word !== '');
    const unknown = words.filter((word) => !known.has(word));
    for (const word of unknown) missing.set(word, (missing.get(word) ?? 0) + 1);
    found.captions++;
    found.words += words.length;
    found.unknown += unknown.length;
    if (unknown.length > 0) found.captionsWithUnknown++;
  }
  return { ...found, unknownWords: byCount(missing) };
}

/** Words with their counts, the most frequent first, then by letter. */
export const byCount = (counts: ReadonlyMap<string, number>): { word: string; count: number }[] =>
  [...counts].map(([word, count]) => ({ word, count })).sort((a, b) => b.count - a.count || (a.word < b.word ? -1 : 1));

/** Tokens that a caption takes, on average and at most. */
export async function captionLengths(
  captions: Source<string>,
  tokenizer: Pick<Tokenizer, 'encode'>,
): Promise<{ mean: number; most: number }> {
  let [sum, count, most] = [0, 0, 0];
  for await (const caption of captions) {
    const { length } = tokenizer.encode(caption);
    sum += length;
    count++;
    most = Math.max(most, length);
  }
  return { mean: count === 0 ? 0 : sum / count, most };
}
