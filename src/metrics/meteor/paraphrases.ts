import { type Match, MODULES } from './match';
import type { PhraseTrie } from './phraseTrie';

/** A phrase of the table where it stands in a sentence. */
type PlacedPhrase = { node: number; start: number; length: number };

/** What the table knows of one sentence: the numbers of its words, and its phrases by start and then by length. */
export type Phrases = { words: readonly number[]; placed: readonly PlacedPhrase[] };

const PARAPHRASE = MODULES.indexOf('paraphrase');
const MARKS = 1 << 12;

/**
 * Which phrases may stand for which, 5.3 million pairs of them: a trie of all phrases, and for the phrases that have
 * paraphrases the nodes of these.
 */
export class ParaphraseTable {
  /** Scratch of `pairs`, zeros between its calls. */
  private readonly marks = new Uint8Array(MARKS);

  /**
   * @param listEnds - [nodes]: the paraphrases of node n are `lists.subarray(listEnds[n - 1], listEnds[n])`
   * @param lists - nodes of paraphrases
   */
  constructor(
    readonly trie: PhraseTrie,
    readonly listEnds: Int32Array,
    readonly lists: Int32Array,
  ) {}

  /** Looks a sentence up; the result serves every pair that the sentence is in. */
  phrasesOf(sentence: readonly string[]): Phrases {
    const words = sentence.map((word) => this.trie.wordNumber(word));
    const placed: PlacedPhrase[] = [];
    for (let start = 0; start < words.length; start++) {
      let node = this.trie.child(0, words[start]!);
      for (let end = start + 1; node > 0; end++) {
        placed.push({ node, start, length: end - start });
        node = end < words.length ? this.trie.child(node, words[end]!) : -1;
      }
    }
    return { words, placed };
  }

  /** All paraphrases between two sentences, in the order in which METEOR 1.5 finds them. */
  matches(reference: Phrases, candidate: Phrases): Match[] {
    return [
      ...this.pairs(reference, candidate).map(([from, to]) => matchOf(from, to)),
      ...this.pairs(candidate, reference).map(([from, to]) => matchOf(to, from)),
    ];
  }

  /** Phrases of one sentence with their paraphrases in another; several of one phrase in the order of the table. */
  private pairs(from: Phrases, to: Phrases): [PlacedPhrase, PlacedPhrase][] {
    const { marks, lists, listEnds } = this;
    const pairs: [PlacedPhrase, PlacedPhrase][] = [];
    for (const { node } of to.placed) marks[node % MARKS] = 1;
    for (const phrase of from.placed) {
      const found: PlacedPhrase[] = [];
      for (let i = listEnds[phrase.node - 1]!; i < listEnds[phrase.node]!; i++) {
        const node = lists[i]!;
        if (marks[node % MARKS] === 1) for (const other of to.placed) if (other.node === node) found.push(other);
      }
      // The table is sorted by the words of the phrases, and words are numbered in that order.
      if (found.length > 1) found.sort((a, b) => compareWords(to.words, a, b));
      for (const other of found) pairs.push([phrase, other]);
    }
    for (const { node } of to.placed) marks[node % MARKS] = 0;
    return pairs;
  }
}

/** Word by word, a phrase before those that go on after it. Places of one phrase are equal, so that they keep their order. */
function compareWords(words: readonly number[], a: PlacedPhrase, b: PlacedPhrase): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const difference = words[a.start + i]! - words[b.start + i]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function matchOf(reference: PlacedPhrase, candidate: PlacedPhrase): Match {
  return {
    module: PARAPHRASE,
    referenceStart: reference.start,
    referenceLength: reference.length,
    candidateStart: candidate.start,
    candidateLength: candidate.length,
  };
}
