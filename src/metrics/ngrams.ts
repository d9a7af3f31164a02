import type { Tokens } from './metric';

/** The longest n-grams that BLEU and CIDEr count. */
export const MAX_ORDER = 4;

/** What Python's `str.split()` splits at; JavaScript's `\s` has U+FEFF too and lacks U+001C to U+001F and U+0085. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: Python counts the separators U+001C to U+001F as whitespace
export const PYTHON_WHITESPACE = /[\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

/**
 * The words that Python's `split()` finds in a tokenized caption. They are the tokens, but for those that the tokenizer
 * joined by a no-break space (`1 1/2`, phone numbers), which are split again.
 */
export function splitTokens(tokens: Tokens): Tokens {
  if (!tokens.some((token) => token === '' || PYTHON_WHITESPACE.test(token))) return tokens;
  return tokens.flatMap((token) => token.split(PYTHON_WHITESPACE)).filter((word) => word !== '');
}

/** How often each n-gram of one order occurs, in the order of first appearance. */
export type NgramCounts = Map<string, number>;

/** The n-grams of a caption for n = 1 to `MAX_ORDER`, at index n - 1: words joined by a space, which no word has inside. */
export function ngramCounts(words: Tokens): NgramCounts[] {
  const orders: NgramCounts[] = Array.from({ length: MAX_ORDER }, () => new Map());
  for (let start = 0; start < words.length; start++) {
    let ngram = '';
    for (let n = 1; n <= MAX_ORDER && start + n <= words.length; n++) {
      ngram = n === 1 ? words[start]! : `${ngram} ${words[start + n - 1]}`;
      const counts = orders[n - 1]!;
      counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
    }
  }
  return orders;
}
