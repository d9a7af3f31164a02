/*
 * The characters that the tokenizer tells apart. It knows the Basic Multilingual Plane as Unicode 6 had it: what came
 * later, and everything beyond that plane (emoji among it), separates tokens and is lost.
 */

/** Letters of the Basic Multilingual Plane that came after Unicode 6. */
const LATER_LETTERS =
  '\u037f\u0528-\u052f\u0560\u0588\u05ef\u0860-\u086a\u0870-\u0887\u0889-\u088f\u08a1\u08ad-\u08c9\u0978\u0980\u09fc' +
  '\u0af9\u0c34\u0c5a\u0c5c\u0c5d\u0c80\u0cdc\u0cdd\u0d04\u0d54-\u0d56\u0d5f\u0de6-\u0def\u0e86\u0e89\u0e8c' +
  '\u0e8e-\u0e93\u0e98\u0ea0\u0ea8\u0ea9\u0eac\u13f5\u13f8-\u13fd\u16f1-\u16f8\u170d\u171f\u1878\u191d\u191e' +
  '\u19b0-\u19c0\u19c8\u19c9\u1b4c\u1c80-\u1c8a\u1c90-\u1cba\u1cbd-\u1cbf\u1cf2\u1cf3\u1cfa\u2c2f\u2c5f\u312e\u312f' +
  '\u31bb-\u31bf\u4db6-\u4dbf\u9fcd-\u9fff\ua698-\ua69d\ua78f\ua794-\ua79f\ua7ab-\ua7dc\ua7f1-\ua7f7\ua8fd\ua8fe' +
  '\ua9e0-\ua9e4\ua9e6-\ua9fe\uaa7e\uaa7f\uab30-\uab5a\uab5c-\uab69\uab70-\uabbf';

const UNKNOWN = new RegExp(`[${LATER_LETTERS}\\u{10000}-\\u{10ffff}]`, 'gu');

/** Stands for a character that the tokenizer does not know; no rule takes it. */
const PLACEHOLDER = '\u0001';

/** The text with a placeholder for each code unit of an unknown character, so that offsets stay. */
export function hideUnknown(text: string): string {
  return text.replace(UNKNOWN, (character) => PLACEHOLDER.repeat(character.length));
}

/** Letters, two that are marks since Unicode 9 among them, as the inside of a character class. */
export const LETTERS = '\\p{L}\\u1885\\u1886';

/** What makes up words and numbers alike, as the inside of a character class. */
export const ALPHANUMERIC = `${LETTERS}\\p{Nd}`;

/** Marks that words may have besides letters: modifiers, accents, vowel signs, and the soft hyphen. */
export const MARKS =
  '\\u00ad\\u02c2-\\u02c5\\u02d2-\\u02df\\u02e5-\\u02eb\\u02ed\\u02ef-\\u036f\\u0375\\u0378\\u0379\\u0384\\u0385' +
  '\\u03f6\\u0483-\\u0487\\u055a-\\u055f\\u0591-\\u05bd\\u05bf\\u05c1\\u05c2\\u05c4\\u05c5\\u05c7\\u0615-\\u061a' +
  '\\u064b-\\u065e\\u0670\\u06d6-\\u06ed\\u06fd\\u06fe\\u070f\\u0711\\u0730-\\u074c\\u07a6-\\u07b0\\u07eb-\\u07f3' +
  '\\u0900-\\u0903\\u093c\\u093e-\\u094e\\u0951-\\u0955\\u0962\\u0963\\u0981-\\u0983\\u09bc\\u09be-\\u09c4\\u09c7' +
  '\\u09c8\\u09cb-\\u09cd\\u09d7\\u09e2\\u09e3\\u0a01-\\u0a03\\u0a3c\\u0a3e-\\u0a4f\\u0a81-\\u0a83\\u0abc' +
  '\\u0abe-\\u0acf\\u0b82\\u0bbe-\\u0bc2\\u0bc6-\\u0bc8\\u0bca-\\u0bcd\\u0c01-\\u0c03\\u0c3e-\\u0c56\\u0d3e-\\u0d44' +
  '\\u0d46-\\u0d48\\u0e31\\u0e34-\\u0e3a\\u0e47-\\u0e4e\\u0eb1\\u0eb4-\\u0ebc\\u0ec8-\\u0ecd';

/** Printable ASCII and the symbols that are tokens of their own, as the inside of a character class. */
export const SYMBOLS =
  '!-~\\u00a1\\u00a5-\\u00a9\\u00ac-\\u00b4\\u00b6-\\u00b9\\u00bf\\u00d7\\u00f7\\u037e\\u0387\\u0589\\u05be\\u05c0' +
  '\\u05c3\\u05c6\\u05f3\\u05f4\\u0600-\\u0603\\u0606-\\u060c\\u0614\\u061b\\u061e\\u061f\\u066a\\u066d\\u06d4' +
  '\\u0700-\\u070d\\u07f6-\\u07f8\\u0964\\u0965\\u0e3f\\u0e4f\\u1fbd\\u2016\\u2017\\u201a\\u201e-\\u2023' +
  '\\u2030-\\u2038\\u203b\\u203e-\\u2042\\u2044\\u2070\\u2074-\\u207e\\u2080-\\u208e\\u20a4\\u2100\\u2101' +
  '\\u2103-\\u2106\\u2108\\u2109\\u2114\\u2116-\\u2118\\u211e-\\u2123\\u2125\\u2127\\u2129\\u212e\\u213a\\u213b' +
  '\\u2140-\\u2144\\u214a-\\u214d\\u214f\\u2155-\\u215e\\u2190-\\u2bff\\u3001\\u3002\\u3012\\u30fb\\uff01-\\uff0f' +
  '\\uff1a-\\uff20\\uff3b-\\uff40\\uff5b-\\uff65\\uffe0\\uffe1\\uffe5\\uffe6';
