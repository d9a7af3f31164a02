import type { MeteorData } from './data';
import { meteorWords } from './normalise';
import type { Phrases } from './paraphrases';
import { stem } from './stem';

/** What the modules compare of a word. */
export type Word = {
  text: string;
  /** METEOR takes words for the same where their hashes are: `an` and `c0` match exactly. */
  hash: number;
  stemHash: number;
  synsets: ReadonlySet<number>;
  isFunctionWord: boolean;
};

/** What is known of a sentence before it is compared with another. */
export type Sentence = {
  words: readonly Word[];
  /** For each word the place where it stands first. */
  firstPlaces: readonly number[];
  functionWords: number;
  /** Absent where the data has no paraphrases. */
  phrases?: Phrases;
};

/** Captions come back, references in every epoch; beyond this many they are looked at afresh. */
const SENTENCES_KEPT = 20_000;

const analysers = new WeakMap<MeteorData, (text: string) => Sentence>();

/** Looks at a sentence, and remembers it for as long as the data lives. */
export function analyse(text: string, data: MeteorData): Sentence {
  let analyser = analysers.get(data);
  if (!analyser) {
    analyser = analyserOf(data);
    analysers.set(data, analyser);
  }
  return analyser(text);
}

function analyserOf(data: MeteorData): (text: string) => Sentence {
  const words = new Map<string, Word>();
  const sentences = new Map<string, Sentence>();
  const wordOf = (text: string) => {
    let word = words.get(text);
    if (!word) {
      word = {
        text,
        hash: javaHash(text),
        stemHash: javaHash(stem(text)),
        synsets: data.synsets(text),
        isFunctionWord: data.functionWords.has(text),
      };
      words.set(text, word);
    }
    return word;
  };
  return (text) => {
    let sentence = sentences.get(text);
    if (!sentence) {
      const texts = meteorWords(text);
      sentence = {
        ...sentenceOf(texts.map(wordOf)),
        ...(data.paraphrases && { phrases: data.paraphrases.phrasesOf(texts) }),
      };
      if (sentences.size === SENTENCES_KEPT) sentences.clear();
      sentences.set(text, sentence);
    }
    return sentence;
  };
}

function sentenceOf(words: readonly Word[]): Sentence {
  const places = new Map<Word, number>();
  const firstPlaces = words.map((word, place) => {
    const first = places.get(word);
    if (first === undefined) places.set(word, place);
    return first ?? place;
  });
  return { words, firstPlaces, functionWords: words.filter(({ isFunctionWord }) => isFunctionWord).length };
}

/** Java's `String.hashCode`. */
export function javaHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(31, hash) + text.charCodeAt(i)) | 0;
  return hash;
}
