/**
 * Phrases by their words: node 0 is the empty phrase, and the children of a node lie one after another, sorted by their last
 * words. Nodes are numbered level by level, so that longer phrases have larger numbers.
 */
export class PhraseTrie {
  private readonly numbers: ReadonlyMap<string, number>;
  /** [words]: the phrase of each word alone, or -1; the root has most children by far, and is asked most often. */
  private readonly firstNodes: Int32Array;

  /**
   * @param words - by number, in the order of their code points
   * @param childEnds - [nodes]: the children of node n are the nodes from `childEnds[n - 1]` (of node 0: 1) up to before `childEnds[n]`
   * @param lastWords - [nodes], numbers of words; of node 0 it means nothing
   */
  constructor(
    readonly words: readonly string[],
    readonly childEnds: Int32Array,
    readonly lastWords: Uint16Array,
  ) {
    this.numbers = new Map(words.map((word, number) => [word, number]));
    this.firstNodes = new Int32Array(words.length).fill(-1);
    for (let node = 1; node < childEnds[0]!; node++) this.firstNodes[lastWords[node]!] = node;
  }

  /** -1 for a word that no phrase has. */
  wordNumber(word: string): number {
    return this.numbers.get(word) ?? -1;
  }

  /** The phrase that goes on with a word, or -1 where none does. */
  child(node: number, word: number): number {
    if (node === 0) return this.firstNodes[word] ?? -1;
    let low = this.childEnds[node - 1]!;
    let high = this.childEnds[node]! - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const difference = this.lastWords[middle]! - word;
      if (difference === 0) return middle;
      if (difference < 0) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }
}
