import { PYTHON_WHITESPACE } from './ngrams';
import { hideUnknown } from './ptb/characters';
import { RULES } from './ptb/rules';

/** The tokens that pycocoevalcap leaves out; brackets stay, because it lists them in capitals only. */
const PUNCTUATION = new Set(["''", "'", '``', '`', '.', '?', '!', ',', ':', '-', '--', '...', ';']);

/** Any of these would end the caption in the reference, and shift all captions after it. */
const LINE_BREAKS = /[\n\r\v\f\u0085\u2028\u2029]/g;

/** Most of any caption: spaces, and words up to a space, which only the rules for contractions could read otherwise. */
const PLAIN = / [ \t\n\u00a0\u2000-\u200a\u3000]*|[A-Za-z]+(?=[ \n])/y;
const CONTRACTIONS = new Set(['cannot', 'gonna', 'wanna', 'gotta', 'lemme', 'gimme']);

const TRAILING_WHITESPACE = new RegExp(`${PYTHON_WHITESPACE.source}$`);

/**
 * The tokens of a caption as pycocoevalcap 1.2 hands them to its metrics: the Penn Treebank tokenizer of CoreNLP 3.4.1,
 * lower-cased, without punctuation. A token may hold a no-break space (`1 1/2`, phone numbers).
 *
 * Line breaks inside the caption count as spaces: the reference, which reads a caption per line, would mix up captions.
 */
export function tokenizeCaption(text: string): string[] {
  // The reference sees a line, and some rules look for its end.
  const line = `${text.replace(LINE_BREAKS, ' ')}\n`;
  const tokens = scan(line).map(lowerCase);
  const last = tokens.pop();
  if (last !== undefined) tokens.push(last.replace(TRAILING_WHITESPACE, ''));
  return tokens.filter((token) => token !== '' && !PUNCTUATION.has(token));
}

/** At each place the longest match wins, and the earlier rule where two are equally long. */
function scan(line: string): string[] {
  const scanned = hideUnknown(line);
  const rules = RULES.filter(({ needs }) => !needs || needs.test(scanned));
  const tokens: string[] = [];
  for (let at = 0; at < scanned.length; ) {
    PLAIN.lastIndex = at;
    const plain = PLAIN.exec(scanned)?.[0];
    if (plain !== undefined && !CONTRACTIONS.has(plain.toLowerCase())) {
      if (!plain.startsWith(' ')) tokens.push(plain);
      at += plain.length;
      continue;
    }
    let longest = 0;
    let length = 1;
    let token = '';
    for (const { pattern, write } of rules) {
      pattern.lastIndex = at;
      const match = pattern.exec(scanned);
      if (!match || match[0].length <= longest) continue;
      longest = match[0].length;
      length = (match[1] ?? match[0]).length;
      token = line.slice(at, at + length);
      if (write) token = write(token);
    }
    if (token !== '') tokens.push(token);
    at += length;
  }
  return tokens;
}

const WORD_WITH_SIGMA = /[\p{L}\p{M}\p{N}]+(?:[-.'][\p{L}\p{M}\p{N}]+)*/gu;

/** As Java does: it calls a sigma final where no letter follows in the word, JavaScript only right after a letter. */
function lowerCase(token: string): string {
  if (!token.includes('Σ')) return token.toLowerCase();
  const written = token.replace(WORD_WITH_SIGMA, (word) =>
    word.replace(/Σ/g, (_, at: number) =>
      /\p{Cased}/u.test(word.slice(0, at)) && !/\p{Cased}/u.test(word.slice(at + 1)) ? 'ς' : 'σ',
    ),
  );
  return written.toLowerCase();
}
