/*
 * Java calls a capital sigma final where its word has a letter with a case before it and none after it. JavaScript has
 * another notion of words. Java's consist of letters and digits, with single signs between two letters or two digits, and
 * marks anywhere; characters of Chinese and Japanese are words apart, and so, as far as it matters, is all beyond the Basic
 * Multilingual Plane.
 */
const APART = '\\u3005\\u3041-\\u309e\\u30a1-\\u30fe\\u4e00-\\u9fa5\\uf900-\\ufa2d\\u{10000}-\\u{10ffff}';
const FORMATS = '(?:(?!\\u00ad)\\p{Cf})*';
const MARKS = '(?:(?!\\u00ad)[\\p{Mn}\\p{Me}\\p{Cf}])*';
const LETTERS = `(?:(?![${APART}])[\\p{L}\\p{Mc}]${MARKS})+`;
const DIGITS = `(?:\\p{N}${MARKS})+`;
const WORD = new RegExp(
  `(?:${LETTERS}(?:[\\p{Pd}\\p{Pc}\\u00ad\\u2027"'.]${FORMATS}${LETTERS})*|` +
    `${DIGITS}(?:["',.\\u066b]${FORMATS}${DIGITS})*)+`,
  'gu',
);

/** Characters with a case, as the inside of a character class. */
const CASED =
  '\\p{LC}\\u02b0-\\u02b8\\u02c0\\u02c1\\u02e0-\\u02e4\\u0345\\u037a\\u1d2c-\\u1d61\\u2160-\\u217f\\u24b6-\\u24e9';
const ANY_CASED = new RegExp(`[${CASED}]`, 'u');
const LAST_CASED = new RegExp(`^(.*)([${CASED}])([^${CASED}]*)$`, 'su');

/** The text in lower case as Java writes it. */
export function lowerCase(text: string): string {
  return text.includes('Σ') ? text.replace(WORD, writeSigmas).toLowerCase() : text.toLowerCase();
}

function writeSigmas(word: string): string {
  const [, before = '', last, after = ''] = LAST_CASED.exec(word) ?? [];
  const written = last === 'Σ' && ANY_CASED.test(before) ? `${before}ς${after}` : word;
  return written.replaceAll('Σ', 'σ');
}
