import type { Tokens } from '../metric';
import { evenness, singularValues } from './spectrum';

/** The reference splits on a space, by which an empty caption is one empty word. */
const EMPTY: Tokens = [''];

/**
 * LSA diversity of one image's captions, on counts of words: from 0, all alike, to 1, no word in common. A single caption
 * has 0. A caption without words differs from all that have words.
 *
 * @see Wang and Chan 2019, https://arxiv.org/abs/1903.12020
 */
export function lsaDiversity(captions: readonly Tokens[]): number {
  const words = captions.map((tokens) => (tokens.length > 0 ? tokens : EMPTY));
  const rows = new Map([...new Set(words.flat())].map((word, row) => [word, row]));
  const columns = words.map((caption) => {
    const counts = new Array<number>(rows.size).fill(0);
    for (const word of caption) counts[rows.get(word)!]!++;
    return counts;
  });
  return evenness(singularValues(columns));
}
