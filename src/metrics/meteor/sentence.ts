import type { MeteorData } from './data';
import { isPlain, meteorWords } from './normalise';
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
  /** By which the paraphrases know it, -1 where they do not. */
  number: number;
};

/** What is known of a sentence before it is compared with another. */
export type Sentence = {
  words: readonly Word[];
  functionWords: number;
  /** Absent where the data has no paraphrases. */
  phrases?: Phrases;
};

const vocabularies = new WeakMap<MeteorData, Vocabulary>();

/** Looks at a sentence. What is found out about its words is kept for as long as the data lives. */
export function analyse(text: string, data: MeteorData): Sentence {
  const vocabulary = vocabularyOf(data);
  return sentenceOf(
    meteorWords(text).map((word) => vocabulary.wordOf(word)),
    data,
  );
}

/** The same of tokens that METEOR's own tokenization leaves as they are, and faster; undefined where it would not. */
export function analysePlain(tokens: readonly string[], data: MeteorData): Sentence | undefined {
  const vocabulary = vocabularyOf(data);
  const words: Word[] = [];
  for (const token of tokens) {
    const word = vocabulary.plainWordOf(token);
    if (!word) return undefined;
    words.push(word);
  }
  return sentenceOf(words, data);
}

function sentenceOf(words: readonly Word[], { paraphrases }: MeteorData): Sentence {
  let functionWords = 0;
  for (const { isFunctionWord } of words) if (isFunctionWord) functionWords++;
  return { words, functionWords, ...(paraphrases && { phrases: paraphrases.phrasesOf(words) }) };
}

function vocabularyOf(data: MeteorData): Vocabulary {
  let vocabulary = vocabularies.get(data);
  if (!vocabulary) {
    vocabulary = new Vocabulary(data);
    vocabularies.set(data, vocabulary);
  }
  return vocabulary;
}

class Vocabulary {
  private readonly words = new Map<string, Word>();
  /** Those of them that stand for themselves. */
  private readonly plain = new Map<string, Word>();
  private readonly bySynset = new Map<number, Word[]>();

  constructor(private readonly data: MeteorData) {}

  wordOf(text: string): Word {
    let word = this.words.get(text);
    if (!word) {
      const { functionWords, paraphrases, synsets } = this.data;
      word = {
        text,
        hash: javaHash(text),
        stemHash: javaHash(stem(text)),
        synonyms: new Set(),
        isFunctionWord: functionWords.has(text),
        number: paraphrases?.trie.wordNumber(text) ?? -1,
      };
      this.words.set(text, word);
      for (const synset of synsets(text)) linkSynonyms(word, this.bySynset, synset);
    }
    return word;
  }

  plainWordOf(token: string): Word | undefined {
    let word = this.plain.get(token);
    if (!word && isPlain(token)) {
      word = this.wordOf(token);
      this.plain.set(token, word);
    }
    return word;
  }
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
