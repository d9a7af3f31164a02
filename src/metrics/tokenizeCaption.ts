import { PYTHON_WHITESPACE } from './ngrams';
import { lowerCase } from './ptb/lowerCase';
import { RULES } from './ptb/rules';
import { scanner } from './ptb/scanner';

/** The tokens that pycocoevalcap leaves out; brackets stay, because it lists them in capitals only. */
const PUNCTUATION = new Set(["''", "'", '``', '`', '.', '?', '!', ',', ':', '-', '--', '...', ';']);

/** Any of these would end the caption in the reference, and shift all captions after it. */
const LINE_BREAKS = /[\n\r\v\f\u0085\u2028\u2029]/g;

/** Made for the first caption, since it takes some milliseconds. */
let scan: ((line: string) => string[]) | undefined;

/**
 * The tokens of a caption as pycocoevalcap 1.2 hands them to its metrics: the Penn Treebank tokenizer of CoreNLP 3.4.1,
 * lower-cased, without punctuation. A token may hold a no-break space (`1 1/2`, phone numbers).
 *
 * Line breaks inside the caption count as spaces: the reference, which reads a caption per line, would mix up captions.
 */
export function tokenizeCaption(text: string): string[] {
  scan ??= scanner(RULES);
  // The reference sees a line, and some rules look for its end.
  const line = `${text.replace(LINE_BREAKS, ' ')}\n`;
  const tokens = scan(line);
  const last = tokens.pop();
  if (last !== undefined) tokens.push(withoutTrailingWhitespace(last));
  return tokens.map(lowerCase).filter((token) => token !== '' && !PUNCTUATION.has(token));
}

function withoutTrailingWhitespace(token: string): string {
  let end = token.length;
  while (end > 0 && PYTHON_WHITESPACE.test(token[end - 1]!)) end--;
  return token.slice(0, end);
}
