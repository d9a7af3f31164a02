/** How a caption is made uniform before it is cut into words; flat, so that it can lie in `vocabulary.json`. */
export type TextOptions = {
  /**
   * Unicode form. NFKC also folds what only looks different (full-width letters, ligatures, no-break spaces), which
   * would otherwise split one word over several rare entries; NFC keeps such forms and only composes accents.
   */
  unicode: 'NFC' | 'NFKC';
  lowerCase: boolean;
  /** `drop` leaves punctuation out, as the field's metrics do; `keep` makes each mark a word of its own. */
  punctuation: 'drop' | 'keep';
  /** `spell` writes whole numbers from 0 to 12 as English words; `drop` leaves out every word made of digits. */
  numbers: 'keep' | 'spell' | 'drop';
  /** `keep` leaves `t-shirt` one word, as the PTB tokenizer of the metrics does; `split` makes it two. */
  hyphens: 'keep' | 'split';
};

export const defaultTextOptions: Readonly<TextOptions> = {
  unicode: 'NFKC',
  lowerCase: true,
  punctuation: 'drop',
  numbers: 'keep',
  hyphens: 'keep',
};

const numerals = 'zero one two three four five six seven eight nine ten eleven twelve'.split(' ');

// Letters of any script with their marks; the zero-width (non-)joiners are part of Persian and Indic words.
const letters = '[\\p{L}\\p{M}\\p{N}\\u200c\\u200d]+';
const clitic = "'(?:s|m|d|re|ve|ll)(?![\\p{L}\\p{N}])";
const number = '\\p{N}+(?:[.,:/]\\p{N}+)+';
const abbreviation = '\\p{L}(?:\\.\\p{L})+(?![\\p{L}\\p{N}])\\.?';
const word = `${letters}(?:[-']${letters})*`;
const words = new RegExp(`${clitic}|${number}|${abbreviation}|${word}`, 'giu');
const wordsAndMarks = new RegExp(`${clitic}|${number}|${abbreviation}|${word}|([^\\s\\p{C}])\\1*`, 'giu');
const withClitic = /^(.+?)('(?:s|m|d|re|ve|ll)|n't)$/iu;

/**
 * The words of a caption with one space between them: `A dog's T-shirt, wet.` becomes `a dog 's t-shirt wet`.
 *
 * Possessives and contractions are cut as the Penn Treebank does (`dog 's`, `does n't`, `ca n't`), so that the
 * vocabulary holds `dog` once, captions that were cut before (Flickr8k) give the same words, and `joinWords` can put
 * them back. Other apostrophes inside a word stay (`o'clock`), and so do the points of `t.v.`, `3.5` and `10:30`.
 * Empty where nothing is left.
 */
export function normaliseCaption(caption: string, options: Partial<TextOptions> = {}): string {
  const { unicode, lowerCase, punctuation, numbers, hyphens } = { ...defaultTextOptions, ...options };
  // Apostrophes come first: NFKC would take some of them apart. Soft hyphens are invisible.
  const plain = caption
    .replace(/[\u2018\u2019\u02bc\uff07\u00b4`]/g, "'")
    .replace(/\u00ad/g, '')
    .normalize(unicode)
    .replace(/[\u2010\u2011]/g, '-');
  const found = (lowerCase ? plain.toLowerCase() : plain).match(punctuation === 'keep' ? wordsAndMarks : words) ?? [];
  return found
    .flatMap((each) => withClitic.exec(each)?.slice(1) ?? [each])
    .flatMap((each) => (hyphens === 'split' && /[\p{L}\p{N}]/u.test(each) ? each.split('-') : [each]))
    .flatMap((each) => (/^\p{N}/u.test(each) ? changeNumber(each, numbers) : [each]))
    .join(' ');
}

function changeNumber(text: string, numbers: TextOptions['numbers']): string[] {
  if (numbers === 'drop' && !/\p{L}/u.test(text)) return [];
  if (numbers === 'spell' && /^\d{1,2}$/.test(text)) return [numerals[Number(text)] ?? text];
  return [text];
}

/** The text of words, read by people: `['a', 'dog', "'s", 'bone']` becomes `a dog's bone`. */
export function joinWords(words: readonly string[]): string {
  return words
    .join(' ')
    .replace(/ (?=(?:'(?:s|m|d|re|ve|ll)|n't)(?: |$))/giu, '')
    .replace(/ (?=[.,;:!?%)\]}]+(?: |$))/g, '')
    .replace(/(?<=(?:^| )[([{]) /g, '');
}
