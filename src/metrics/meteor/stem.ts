/*
 * The English Snowball stemmer (Porter2), https://snowballstem.org/algorithms/english/stemmer.html, in the version that METEOR
 * 1.5 has; later ones know more exceptions.
 */

/** Words with a stem of their own. */
const IRREGULAR = new Map(
  Object.entries({
    skis: 'ski',
    skies: 'sky',
    dying: 'die',
    lying: 'lie',
    tying: 'tie',
    idly: 'idl',
    gently: 'gentl',
    ugly: 'ugli',
    early: 'earli',
    only: 'onli',
    singly: 'singl',
    sky: 'sky',
    news: 'news',
    howe: 'howe',
    atlas: 'atlas',
    cosmos: 'cosmos',
    bias: 'bias',
    andes: 'andes',
  }),
);

/** Left alone once a plural's s is gone: these are no participles. */
const INVARIANT = /^(?:inning|outing|canning|herring|earring|proceed|exceed|succeed)$/;

/** Where the first region begins in words whose beginnings would make it too long. */
const BEGINNING = /^(?:gener|commun|arsen)/;

/** Up to and with the first consonant after a vowel. Consonants are all that is no vowel, digits and hyphens too. */
const SYLLABLE = /[aeiouy][^aeiouy]/;
const VOWEL = /[aeiouy]/;
const SHORT_SYLLABLE = /(?:[^aeiouy][aeiouy][^aeiouywxY]|^[aeiouy][^aeiouy])$/;

type Ending = readonly [suffix: string, replacement: string];

const STEP_2: readonly Ending[] = [
  ['ization', 'ize'],
  ['ational', 'ate'],
  ['ousness', 'ous'],
  ['iveness', 'ive'],
  ['fulness', 'ful'],
  ['tional', 'tion'],
  ['lessli', 'less'],
  ['biliti', 'ble'],
  ['entli', 'ent'],
  ['ation', 'ate'],
  ['alism', 'al'],
  ['aliti', 'al'],
  ['fulli', 'ful'],
  ['ousli', 'ous'],
  ['iviti', 'ive'],
  ['enci', 'ence'],
  ['anci', 'ance'],
  ['abli', 'able'],
  ['izer', 'ize'],
  ['ator', 'ate'],
  ['alli', 'al'],
  ['bli', 'ble'],
  ['ogi', 'og'],
  ['li', ''],
];

const STEP_3: readonly Ending[] = [
  ['ational', 'ate'],
  ['tional', 'tion'],
  ['alize', 'al'],
  ['icate', 'ic'],
  ['iciti', 'ic'],
  ['ative', ''],
  ['ical', 'ic'],
  ['ness', ''],
  ['ful', ''],
];

const STEP_4 = [
  ...['ement', 'ance', 'ence', 'able', 'ible', 'ment', 'ant', 'ent', 'ism', 'ate', 'iti', 'ous', 'ive', 'ize', 'ion'],
  ...['al', 'er', 'ic'],
].map((suffix): Ending => [suffix, '']);

/** The stem of a word in lower case. */
export function stem(word: string): string {
  const irregular = IRREGULAR.get(word);
  if (irregular !== undefined) return irregular;
  if (word.length < 3) return word;
  // Capital Y stands for y where it is a consonant.
  const marked = word
    .replace(/^'/, '')
    .replace(/^y/, 'Y')
    .replace(/([aeiouy])y/g, '$1Y');
  const r1 = BEGINNING.exec(marked)?.[0].length ?? afterSyllable(marked, 0);
  const r2 = afterSyllable(marked, r1);
  const singular = withoutPlural(marked);
  if (INVARIANT.test(singular)) return singular;
  return [withoutParticiple, yToI, step2, step3, step4, step5]
    .reduce((stemmed, step) => step(stemmed, r1, r2), singular)
    .replace(/Y/g, 'y');
}

/** Where the region after a syllable begins, the word's end where there is none. */
function afterSyllable(word: string, from: number): number {
  const at = word.slice(from).search(SYLLABLE);
  return at < 0 ? word.length : from + at + 2;
}

/** Step 1a. */
function withoutPlural(word: string): string {
  const bare = word.replace(/'(?:s'?)?$/, '');
  if (bare.endsWith('sses')) return bare.slice(0, -2);
  if (/ie[ds]$/.test(bare)) return bare.slice(0, bare.length > 4 ? -2 : -1);
  return /[us]s$/.test(bare) ? bare : bare.replace(/^(.*[aeiouy].+)s$/s, '$1');
}

/** Step 1b. */
function withoutParticiple(word: string, r1: number): string {
  const suffix = /(?:eed(?:ly)?|ed(?:ly)?|ing(?:ly)?)$/.exec(word)?.[0];
  if (suffix === undefined) return word;
  const rest = word.slice(0, -suffix.length);
  if (suffix.startsWith('ee')) return rest.length >= r1 ? `${rest}ee` : word;
  if (!VOWEL.test(rest)) return word;
  if (/(?:at|bl|iz)$/.test(rest)) return `${rest}e`;
  if (/(?:bb|dd|ff|gg|mm|nn|pp|rr|tt)$/.test(rest)) return rest.slice(0, -1);
  return rest.length === r1 && SHORT_SYLLABLE.test(rest) ? `${rest}e` : rest;
}

/** Step 1c. */
function yToI(word: string): string {
  return word.replace(/(.[^aeiouy])[yY]$/s, '$1i');
}

function step2(word: string, r1: number): string {
  return replaceEnding(word, STEP_2, r1, (suffix, before) => {
    if (suffix === 'ogi') return before === 'l';
    return suffix !== 'li' || /[cdeghkmnrt]/.test(before);
  });
}

function step3(word: string, r1: number, r2: number): string {
  return replaceEnding(word, STEP_3, r1, (suffix) => suffix !== 'ative' || word.length - suffix.length >= r2);
}

function step4(word: string, _r1: number, r2: number): string {
  return replaceEnding(word, STEP_4, r2, (suffix, before) => suffix !== 'ion' || before === 's' || before === 't');
}

/** The longest ending decides: where it lies before the region, or is not allowed there, no shorter one is tried. */
function replaceEnding(
  word: string,
  endings: readonly Ending[],
  region: number,
  allowed: (suffix: string, before: string) => boolean,
): string {
  for (const [suffix, replacement] of endings) {
    if (!word.endsWith(suffix)) continue;
    const start = word.length - suffix.length;
    return start >= region && allowed(suffix, word.charAt(start - 1)) ? word.slice(0, start) + replacement : word;
  }
  return word;
}

function step5(word: string, r1: number, r2: number): string {
  const rest = word.slice(0, -1);
  const deleted = word.endsWith('e')
    ? rest.length >= r2 || (rest.length >= r1 && !SHORT_SYLLABLE.test(rest))
    : word.endsWith('ll') && rest.length >= r2;
  return deleted ? rest : word;
}
