import { expectWhole, UsageError } from '../core/errors';
import { textHash } from './textHash';
import type { Example } from './types';

/** A caption where it stands: `example.captions[index]`. */
export type CaptionPlace = { example: Pick<Example, 'id' | 'captions' | 'metadata'>; index: number };

/** A reason to leave captions out. */
export type CaptionRule = {
  /** In reports, such as `too short`. */
  name: string;
  /** Why this caption is to be left out; undefined where it may stay. */
  check(caption: string, place: CaptionPlace): string | undefined;
  /** Sees every caption before the first is checked, where captions have to be compared. */
  count?(caption: string, id: string): void;
};

export type CaptionRuleOptions = {
  /** Words of the shortest caption; by default 3. */
  leastWords?: number;
  /** Words of the longest caption; by default 60. */
  mostWords?: number;
  /** On how many pictures captions may stand that are nearly the same; by default 10. */
  mostPictures?: number;
  /** Languages that may stay, as `detectLanguage` calls them; by default all. */
  languages?: readonly string[];
  /** How likely a text is in each language, such as `languageDetector()` of `tfjs-captioning/node` gives. */
  detectLanguage?: (text: string) => Readonly<Record<string, number>>;
};

/** Rules that serve for captions from anywhere: length, junk, quotes, language, and captions that come again and again. */
export function captionRules(options: CaptionRuleOptions = {}): CaptionRule[] {
  const { leastWords = 3, mostWords = 60, mostPictures = 10, languages, detectLanguage } = options;
  expectWhole('leastWords', leastWords, 0);
  expectWhole('mostWords', mostWords, leastWords);
  expectWhole('mostPictures', mostPictures, 1);
  if (languages && !detectLanguage)
    throw new UsageError('languages needs detectLanguage, such as languageDetector() of tfjs-captioning/node.');
  return [
    junk,
    fileName,
    dateOnly,
    boilerPlate,
    unbalancedQuotes,
    tooShort(leastWords),
    tooLong(mostWords),
    ...(languages && detectLanguage ? [otherLanguage(languages, detectLanguage)] : []),
    repeated,
    onManyPictures(mostPictures),
  ];
}

/** Rules for captions of Wikipedia: those for all, what its pages put in place of captions, and the language that its tables tell. */
export function wikipediaRules({ languages, detectLanguage, ...options }: CaptionRuleOptions = {}): CaptionRule[] {
  return [
    ...(languages ? [toldLanguage(languages)] : []),
    markup,
    ...captionRules({ ...options, ...(languages && detectLanguage && { languages, detectLanguage }) }),
  ];
}

const letters = /\p{L}/u;
const noise: readonly [RegExp, string][] = [
  [/\ufffd|[\u00c3\u00c2][\u0080-\u00bf]|\u00e2\u20ac/, 'has letters that were decoded wrongly'],
  [/<\/?[a-z][^>]*>|&(?:[a-z]+|#\d+);/i, 'has HTML in it'],
  [/https?:\/\/|www\.\w/i, 'has an address of the web in it'],
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  [/[\u0000-\u0008\u000b-\u001f\u007f]/, 'has control characters in it'],
  [/(\p{L})\1{4,}/u, 'repeats a letter again and again'],
  [/(?:^|\s)(\S+)(?:\s+\1){3,}(?:\s|$)/iu, 'repeats a word again and again'],
];

/** No letters at all, HTML, addresses, control characters, wrongly decoded letters, or the same again and again. */
export const junk: CaptionRule = {
  name: 'junk',
  check(caption) {
    if (!letters.test(caption)) return 'has no letters';
    return noise.find(([pattern]) => pattern.test(caption))?.[1];
  },
};

/** `IMG_1234.JPG`, `File:Dog in the sun.jpg` or `DSC00012` in place of a caption. */
export const fileName: CaptionRule = {
  name: 'file name',
  check(caption) {
    const text = caption.trim();
    const ends = /\.(?:jpe?g|png|gif|svg|tiff?|webp|bmp|pdf|ogv|webm)$/i.test(text);
    const camera =
      /^(?:file|image|datei|fichier|archivo)?:?\s*(?:img|dsc[nf]?|p|pict|imgp|cimg|image|photo|screenshot|scan)[_\- ]?\d{2,}[\w-]*$/i;
    return ends || camera.test(text) ? 'is the name of a file' : undefined;
  },
};

const months =
  'jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?';
const dateWords = new RegExp(
  `\\b(?:${months}|circa|ca?|ad|bc|ce|bce|in|on|the|of|early|late|mid|st|nd|rd|th|s|century)\\b`,
  'gi',
);

/** `12 May 1943`, `2005-03-01` or `c. 1900`: when, but not what. */
export const dateOnly: CaptionRule = {
  name: 'date',
  check(caption) {
    if (!/\d/.test(caption)) return undefined;
    const rest = caption.replace(/(\d)(?:st|nd|rd|th|s)\b/gi, '$1').replace(dateWords, '');
    return letters.test(rest) ? undefined : 'is only a date';
  },
};

const phrases =
  /^(?:(?:no|missing) (?:image|picture|photo|caption|description|title)(?: available)?|(?:image|picture|photo) (?:not|un)\s?available|click (?:here|to|for)\b.*|enlarge(?: image)?|(?:click|tap) to enlarge|untitled(?: image| photo)?|no title|n\/?a|null|undefined|todo|tbd|test|caption|placeholder|image|picture|photo(?:graph)?|logo|map|location(?: map)?|coat of arms|flag|seal|signature|screenshot|portrait|cover(?: art)?|poster|thumbnail|stock (?:photo|image)|(?:photo|image|picture|photograph)(?: credit| courtesy)? ?(?:by|:|of) ?(?:getty images|shutterstock|reuters|afp|ap)?|getty images|shutterstock)[.!…]*$/i;

/** What stands in place of a caption everywhere: `Image not available`, `Click to enlarge`, `Logo`. */
export const boilerPlate: CaptionRule = {
  name: 'boiler-plate',
  check: (caption) => (phrases.test(caption.trim()) ? 'says nothing about the picture' : undefined),
};

/** What is left of wiki text: `[[`, `thumb|`, `{{`, `<ref`. */
export const markup: CaptionRule = {
  name: 'markup',
  check: (caption) =>
    /\[\[|\]\]|\{\{|\}\}|\bthumb\||<ref\b|'''|\{\\displaystyle/.test(caption) ? 'has wiki markup in it' : undefined,
};

const pairs: readonly [string, string][] = [
  ['“', '”'],
  ['«', '»'],
  ['(', ')'],
  ['[', ']'],
];

/** A quote or a bracket without its other half: mostly a caption that was cut. An inch (`12"`) counts for nothing. */
export const unbalancedQuotes: CaptionRule = {
  name: 'unbalanced quotes',
  check(caption) {
    const count = (mark: string) => caption.split(mark).length - 1;
    if ((caption.replace(/\d"/g, '').split('"').length - 1) % 2 === 1) return 'has a " without its other half';
    for (const [open, close] of pairs)
      if (count(open) !== count(close)) return `has ${count(open)} ${open} and ${count(close)} ${close}`;
    return undefined;
  },
};

/** Words as a reader counts them: each run of letters and figures, and each character of what is written without spaces. */
function wordsIn(caption: string): number {
  return (
    caption.match(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|[\p{L}\p{N}'’-]+/gu)?.length ??
    0
  );
}

const tooShort = (least: number): CaptionRule => ({
  name: 'too short',
  check(caption) {
    const words = wordsIn(caption);
    return words < least ? `has ${words} ${words === 1 ? 'word' : 'words'}, fewer than ${least}` : undefined;
  },
});

const tooLong = (most: number): CaptionRule => ({
  name: 'too long',
  check(caption) {
    const words = wordsIn(caption);
    return words > most ? `has ${words} words, more than ${most}` : undefined;
  },
});

/** Another language is taken for sure only where those wanted are far less likely: short captions look like several. */
const CLEARLY = 0.85;

const otherLanguage = (
  languages: readonly string[],
  detect: (text: string) => Readonly<Record<string, number>>,
): CaptionRule => ({
  name: 'other language',
  check(caption) {
    const scores = detect(caption);
    const [best, most] = Object.entries(scores).reduce((a, b) => (b[1] > a[1] ? b : a), ['', 0]);
    if (most === 0 || languages.some((language) => (scores[language] ?? 0) >= CLEARLY * most)) return undefined;
    return `is in ${best}`;
  },
});

/** The language that a table tells in `metadata.captions[index].language`, as WIT does. */
const toldLanguage = (languages: readonly string[]): CaptionRule => ({
  name: 'language column',
  check(_, { example, index }) {
    const about = example.metadata?.captions;
    const language = Array.isArray(about) ? (about[index] as { language?: unknown })?.language : undefined;
    return typeof language === 'string' && !languages.includes(language) ? `is in ${language}` : undefined;
  },
});

/** The same caption of the same picture again. */
const repeated: CaptionRule = {
  name: 'duplicate',
  check(caption, { example, index }) {
    const same = fingerprint(caption);
    const before = example.captions.slice(0, index).some((other) => fingerprint(other) === same);
    return before ? 'is there before, of the same picture' : undefined;
  },
};

/** Nearly the same on many pictures: what is meant for none of them. */
const onManyPictures = (most: number): CaptionRule => {
  const counts = new CaptionCounts();
  return {
    name: 'on many pictures',
    count: (caption, id) => counts.add(fingerprint(caption), id),
    check(caption) {
      const count = counts.of(fingerprint(caption));
      return count > most ? `is nearly the same on ${count} pictures` : undefined;
    },
  };
};

const articles = new Set(['a', 'an', 'the', 'is', 'are', 'of', 'in', 'on', 'at', 'and', 'with']);

/** The words that matter, in any order, figures being all the same: captions with one fingerprint say nearly the same. */
export function fingerprint(caption: string): string {
  const words =
    caption
      .normalize('NFKC')
      .toLowerCase()
      .replace(/\d+/g, '0')
      .match(/[\p{L}\p{N}]+/gu) ?? [];
  const content = words.filter((word) => !articles.has(word));
  return [...new Set(content.length > 0 ? content : words)].sort().join(' ');
}

/**
 * On how many pictures texts stand, in 24 bytes per different text: known by 32 bits, so that of a million texts one in some
 * thousands is counted together with another, which a limit of several pictures bears.
 */
class CaptionCounts {
  private keys = new Uint32Array(1024);
  /** The picture that was counted last: captions of one come one after the other. */
  private pictures = new Uint32Array(1024);
  private counts = new Uint32Array(1024);
  private used = 0;

  add(text: string, id: string): void {
    const [key, picture] = [textHash(text), textHash(id)];
    const place = this.placeOf(key);
    if (this.counts[place] === 0) {
      this.keys[place] = key;
      this.used++;
    }
    if (this.counts[place]! > 0 && this.pictures[place] === picture) return;
    this.pictures[place] = picture;
    this.counts[place]!++;
    if (this.used * 2 > this.keys.length) this.grow();
  }

  of(text: string): number {
    return this.counts[this.placeOf(textHash(text))]!;
  }

  private placeOf(key: number): number {
    const mask = this.keys.length - 1;
    let place = key & mask;
    while (this.counts[place]! > 0 && this.keys[place] !== key) place = (place + 1) & mask;
    return place;
  }

  private grow(): void {
    const { keys, pictures, counts } = this;
    const length = keys.length * 2;
    [this.keys, this.pictures, this.counts] = [
      new Uint32Array(length),
      new Uint32Array(length),
      new Uint32Array(length),
    ];
    for (const [from, key] of keys.entries()) {
      if (counts[from] === 0) continue;
      const place = this.placeOf(key);
      this.keys[place] = key;
      this.pictures[place] = pictures[from]!;
      this.counts[place] = counts[from]!;
    }
  }
}
