import { type Match, MODULES } from './match';
import type { PhraseTrie } from './phraseTrie';

/** A phrase of the table where it stands in a sentence, and the nodes of its paraphrases. */
type PlacedPhrase = { node: number; start: number; length: number; paraphrases: Int32Array };

/** What the table knows of one sentence: the numbers of its words, and its phrases by start and then by length. */
export type Phrases = { words: readonly number[]; placed: readonly PlacedPhrase[] };

const PARAPHRASE = MODULES.indexOf('paraphrase');
const MARKS = 1 << 12; // a power of two

/**
 * Which phrases may stand for which, 5.3 million pairs of them: a trie of all phrases, and for the phrases that have
 * paraphrases the nodes of these, unpacked when they are asked for.
 */
export class ParaphraseTable {
  private readonly unpacked: (Int32Array | undefined)[];
  /** Scratch of `pairs`, zeros between its calls. */
  private readonly marks = new Uint8Array(MARKS);

  /**
   * @param lists - [nodes]: which list of paraphrases, counted from 1, a phrase has; 0 where it has none
   * @param listEnds - [lists]: where in `packed` each list ends and the next begins
   * @param packed - nodes of paraphrases; `readParaphrases` describes the form
   */
  constructor(
    readonly trie: PhraseTrie,
    private readonly lists: Int32Array,
    private readonly listEnds: Int32Array,
    private readonly packed: Uint8Array,
  ) {
    this.unpacked = new Array(listEnds.length + 1);
    this.unpacked[0] = new Int32Array(0);
  }

  /** The nodes of a phrase's paraphrases, ascending. */
  paraphrasesOf(node: number): Int32Array {
    const list = this.lists[node]!;
    let found = this.unpacked[list];
    if (!found) {
      found = this.unpack(list);
      this.unpacked[list] = found;
    }
    return found;
  }

  private unpack(list: number): Int32Array {
    const { packed, listEnds } = this;
    const start = listEnds[list - 2] ?? 0;
    const end = listEnds[list - 1]!;
    const nodes = new Int32Array(end - start);
    let count = 0;
    for (let at = start, node = -1; at < end; ) {
      let byte = packed[at++]!;
      let difference = byte & 127;
      for (let shift = 7; byte > 127; shift += 7) {
        byte = packed[at++]!;
        difference |= (byte & 127) << shift;
      }
      node += difference + 1;
      nodes[count++] = node;
    }
    return nodes.slice(0, count);
  }

  /** Looks a sentence up, given the trie's numbers of its words; the result serves every pair that the sentence is in. */
  phrasesOf(sentence: readonly { number: number }[]): Phrases {
    const words = sentence.map(({ number }) => number);
    const placed: PlacedPhrase[] = [];
    for (let start = 0; start < words.length; start++) {
      let node = this.trie.child(0, words[start]!);
      for (let end = start + 1; node > 0; end++) {
        placed.push({ node, start, length: end - start, paraphrases: this.paraphrasesOf(node) });
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
    const { marks } = this;
    const pairs: [PlacedPhrase, PlacedPhrase][] = [];
    for (const { node } of to.placed) marks[node & (MARKS - 1)] = 1;
    for (const phrase of from.placed) {
      const found: PlacedPhrase[] = [];
      const { paraphrases } = phrase;
      for (let i = 0; i < paraphrases.length; i++)
        if (marks[paraphrases[i]! & (MARKS - 1)] === 1)
          for (const other of to.placed) if (other.node === paraphrases[i]) found.push(other);
      // The table is sorted by the words of the phrases, and words are numbered in that order.
      if (found.length > 1) found.sort((a, b) => compareWords(to.words, a, b));
      for (const other of found) pairs.push([phrase, other]);
    }
    for (const { node } of to.placed) marks[node & (MARKS - 1)] = 0;
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
