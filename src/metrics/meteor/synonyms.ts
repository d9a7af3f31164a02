const NONE: ReadonlySet<number> = new Set();

/** WordNet's synsets of each base form; a Map is one. */
export type Synsets = { has(word: string): boolean; get(word: string): readonly number[] | undefined };

/** WordNet's rules of detachment, in METEOR's order: nouns, verbs, adjectives. */
const SUFFIXES: readonly (readonly [suffix: string, replacement: string])[] = [
  ['s', ''],
  ['ses', 's'],
  ['xes', 'x'],
  ['zes', 'z'],
  ['ches', 'ch'],
  ['shes', 'sh'],
  ['men', 'man'],
  ['ies', 'y'],
  ['es', 'e'],
  ['es', ''],
  ['ed', 'e'],
  ['ed', ''],
  ['ing', 'e'],
  ['ing', ''],
  ['er', ''],
  ['est', ''],
  ['er', 'e'],
  ['est', 'e'],
];

/**
 * The synsets that METEOR gives a word: its own and those of its base forms. Two different words are synonyms where
 * these share a number.
 *
 * @param bases - base forms of irregular words; a word that is here is not looked at for suffixes
 */
export function synonymDictionary(
  synsets: Synsets,
  bases: ReadonlyMap<string, readonly string[]>,
): (word: string) => ReadonlySet<number> {
  const known = new Map<string, ReadonlySet<number>>();
  return (word) => {
    let numbers = known.get(word);
    if (!numbers) {
      const base = bases.get(word) ?? [withoutSuffix(word, synsets)];
      const found = [word, ...base].flatMap((form) => synsets.get(form) ?? []);
      numbers = found.length === 0 ? NONE : new Set(found);
      known.set(word, numbers);
    }
    return numbers;
  };
}

/** The base form by the first rule that leads to a word of the dictionary, or the word itself. */
function withoutSuffix(word: string, synsets: Synsets): string {
  if (word.length <= 2 || word.endsWith('ss')) return word;
  for (const [suffix, replacement] of SUFFIXES) {
    if (!word.endsWith(suffix)) continue;
    const base = word.slice(0, word.length - suffix.length) + replacement;
    if (synsets.has(base)) return base;
  }
  return word;
}
