import { PYTHON_WHITESPACE } from './ngrams';
import { lowerCase } from './ptb/lowerCase';
import { RULES } from './ptb/rules';
import { scanner } from './ptb/scanner';

/** The tokens that pycocoevalcap leaves out; brackets stay, because it lists them in capitals only. */
const PUNCTUATION = new Set(["''", "'", '``', '`', '.', '?', '!', ',', ':', '-', '--', '...', ';']);

/** Any of these would end the caption in the reference, and shift all captions after it. */
const LINE_BREAKS = /[\n\r\v\f\u0085\u2028\u2029]/g;

/** What a rule may want to see of the next line: a word, or a tag. */
const SIGHT = 64;

/** Made for the first caption, since it takes some milliseconds. */
let scan: ReturnType<typeof scanner> | undefined;

/**
 * The tokens of a caption as pycocoevalcap 1.2 hands them to its metrics: the Penn Treebank tokenizer of CoreNLP 3.4.1,
 * lower-cased, without punctuation. A token may hold a no-break space (`1 1/2`, phone numbers).
 *
 * Line breaks inside the caption count as spaces: the reference, which reads a caption per line, would mix up captions.
 */
export function tokenizeCaption(text: string): string[] {
  return tokenizeLine(text, undefined);
}

/**
 * The tokens of a caption that stands in a file before another, as the reference reads it. Its last word can depend on how the
 * next caption begins: "turn at K." ends in `k.`, but in `k` before "A dog", because a new sentence seems to begin there.
 */
export function tokenizeLine(text: string, next: string | undefined): string[] {
  scan ??= scanner(RULES);
  // Some rules look for the end of a line.
  const line = `${oneLine(text)}\n`;
  const sight = next === undefined ? '' : `${oneLine(next.slice(0, SIGHT))}\n`;
  // Where a token goes on into the next line the reference mixes up captions.
  const tokens = scan(line + sight, line.length) ?? scan(line, line.length)!;
  const last = tokens.pop();
  if (last !== undefined) tokens.push(withoutTrailingWhitespace(last));
  return tokens.map(lowerCase).filter((token) => token !== '' && !PUNCTUATION.has(token));
}

function oneLine(text: string): string {
  return text.replace(LINE_BREAKS, ' ');
}

function withoutTrailingWhitespace(token: string): string {
  let end = token.length;
  while (end > 0 && PYTHON_WHITESPACE.test(token[end - 1]!)) end--;
  return token.slice(0, end);
}
