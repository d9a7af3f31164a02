/** The letters that METEOR knows: Latin and Cyrillic. All others become words of their own, as punctuation does. */
const LETTERS =
  'A-Za-z\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u017e\\u0400-\\u0527\\ua640-\\ua66e\\ua67e-\\ua697\\u1d00-\\u1d7f';

const pattern = (source: string) =>
  new RegExp(source.replaceAll('LETTERS', LETTERS).replaceAll('SPACES', ' \\t\\n\\v\\f\\r'), 'gu');

/**
 * In the order in which they are applied. Neighbours that a match has used up are not seen by the next one, so that of
 * `a-b-c` the second hyphen stays; that is the reference's doing.
 */
const RULES: readonly (readonly [RegExp, string])[] = [
  [pattern("[^0-9LETTERSSPACES.'`,\\-\\u2018\\u2019]"), ' $& '],
  [pattern('\\.{2,}'), ' $& '],
  [pattern('([^0-9]),([^0-9])'), '$1 , $2'],
  [pattern('([0-9]),([^0-9])'), '$1 , $2'],
  [pattern('([^0-9]),([0-9])'), '$1 , $2'],
  [pattern('[`\\u2018\\u2019]'), "'"],
  [pattern("[\\u201c\\u201d]|''"), ' " '],
  [pattern('\\u2013|--'), '-'],
  [pattern('([0-9LETTERS.])-([0-9LETTERS])'), '$1 $2'],
  [pattern("([^LETTERS])'([^LETTERS])"), "$1 ' $2"],
  [pattern("([^0-9LETTERS])'([LETTERS])"), "$1 ' $2"],
  [pattern("([LETTERS])'([^LETTERS])"), "$1 ' $2"],
  [pattern("([LETTERS])'([LETTERS])"), "$1 '$2"],
  [pattern("([0-9])'(s)"), "$1 '$2"],
];

/** Words that keep their full stop, with capitals as here. */
const ABBREVIATIONS = new Set(
  `A B C D E F G H I J K L M N O P Q R S T U V W X Y Z v vs rev
  Adj Adm Adv Asst Bart Bldg Brig Bros Capt Cmdr Col Comdr Con Corp Cpl DR Dr Drs Ens Gen Gov Hon Hr Hosp Insp Lt MM MR
  MRS MS Maj Messrs Mlle Mme Mr Mrs Ms Msgr Nos Nr Op Ord Pfc Ph Prof Pvt Rep Reps Res Rev Rt Sen Sens Sfc Sgt Sr St
  Supt Surg`.split(/\s+/),
);

/** Words that keep it before a number. */
const BEFORE_NUMBER = new Set(['No', 'Art', 'pp']);

/** What no rule touches, as most captions are. */
const PLAIN = /^[a-z0-9]+(?: [a-z0-9]+)*$/;
const PLAIN_WORD = /^[a-z0-9]+$/;

const SPLIT = /[ \t\n\f\r]+/;
const WIDE_SPACES = /[ \u00a0\u2000-\u200a\u202f\u205f\u3000]+/g;
const LETTER = pattern('[LETTERS]');
const ENDS = /^[\0- ]+|[\0- ]+$/g;

/**
 * METEOR's own tokenization of English, `-norm`: punctuation stands apart, hyphenated words come apart, acronyms lose
 * their full stops (`t-shirt` is `t shirt`, `U.S.` is `US`, `n't` is `n 't`). Capitals stay as they are.
 *
 * @returns words joined by single spaces
 */
export function normaliseText(text: string): string {
  if (PLAIN.test(text)) return text;
  const spaced = RULES.reduce((line, [rule, replacement]) => line.replace(rule, replacement), ` ${text} `);
  const words = spaced.split(SPLIT).filter((word) => word !== '');
  return words
    .map((word, index) => withoutFullStop(word, words[index + 1]))
    .join(' ')
    .replace(WIDE_SPACES, ' ')
    .replace(ENDS, '');
}

/** Tells a full stop from the dot of an abbreviation. */
function withoutFullStop(word: string, next: string | undefined): string {
  if (!word.endsWith('.') || /^\.+$/.test(word)) return word;
  const stem = word.slice(0, -1);
  if (stem.includes('.') && stem.search(LETTER) >= 0) return word.replaceAll('.', '');
  const kept =
    ABBREVIATIONS.has(stem) ||
    (next !== undefined && (/^[a-z]/.test(next) || (BEFORE_NUMBER.has(stem) && /^[0-9]/.test(next))));
  return kept ? word : `${stem} .`;
}

/** The words that METEOR compares: normalised, then in lower case. */
export function meteorWords(text: string): string[] {
  const normalised = normaliseText(text).toLowerCase();
  return normalised === '' ? [] : normalised.split(' ');
}

/** Whether a token is a word that METEOR leaves as it is, beside others that are so too. */
export function isPlain(token: string): boolean {
  return PLAIN_WORD.test(token);
}
