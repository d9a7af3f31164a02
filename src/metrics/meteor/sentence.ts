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
  /** The words seen so far with which it shares a synset. */
  synonyms: Set<Word>;
  isFunctionWord: boolean;
};

/** What is known of a sentence before it is compared with another. */
export type Sentence = {
  words: readonly Word[];
  functionWords: number;
  /** Absent where the data has no paraphrases. */
  phrases?: Phrases;
};

const vocabularies = new WeakMap<MeteorData, (text: string) => Word>();

/** Looks at a sentence. What is found out about its words is kept for as long as the data lives. */
export function analyse(text: string, data: MeteorData): Sentence {
  let wordOf = vocabularies.get(data);
  if (!wordOf) {
    wordOf = vocabulary(data);
    vocabularies.set(data, wordOf);
  }
  const texts = meteorWords(text);
  const words = texts.map(wordOf);
  const functionWords = words.reduce((count, { isFunctionWord }) => count + (isFunctionWord ? 1 : 0), 0);
  return { words, functionWords, ...(data.paraphrases && { phrases: data.paraphrases.phrasesOf(texts) }) };
}

function vocabulary(data: MeteorData): (text: string) => Word {
  const words = new Map<string, Word>();
  const bySynset = new Map<number, Word[]>();
  return (text) => {
    let word = words.get(text);
    if (!word) {
      word = {
        text,
        hash: javaHash(text),
        stemHash: javaHash(stem(text)),
        synonyms: new Set(),
        isFunctionWord: data.functionWords.has(text),
      };
      words.set(text, word);
      for (const synset of data.synsets(text)) linkSynonyms(word, bySynset, synset);
    }
    return word;
  };
}

function linkSynonyms(word: Word, bySynset: Map<number, Word[]>, synset: number): void {
  const others = bySynset.get(synset);
  if (!others) {
    bySynset.set(synset, [word]);
    return;
  }
  for (const other of others) {
    other.synonyms.add(word);
    word.synonyms.add(other);
  }
  others.push(word);
}

/** Java's `String.hashCode`. */
function javaHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(31, hash) + text.charCodeAt(i)) | 0;
  return hash;
}
