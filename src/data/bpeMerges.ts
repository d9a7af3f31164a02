/** What byte-pair encoding has learned: the tokens in the order of their ids, and which pairs become one, the most frequent first. */
export type BPEModel = { tokens: string[]; merges: [string, string][] };

type Word = { symbols: number[]; count: number };

/** A pair of ids as one number, in the order of its first and then its second. */
const SHIFT = 2 ** 25;

/**
 * Learns byte-pair encoding: the most frequent pair of neighbours becomes a token, again and again. Of pairs as frequent the one
 * with the smaller ids comes first, so the order of the words is no matter.
 *
 * @param words - how often each occurs
 * @param start - the tokens to begin with: special ones, then every character
 * @param vocabSize - tokens at most
 * @param minCount - a pair that is rarer becomes no token
 * @see Sennrich et al. 2016, https://arxiv.org/abs/1508.07909; ties as Hugging Face's `tokenizers` breaks them (`BpeTrainer`)
 */
export function learnMerges(
  words: ReadonlyMap<string, number>,
  start: readonly string[],
  { vocabSize, minCount }: { vocabSize: number; minCount: number },
): BPEModel {
  const tokens = [...start];
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const all: Word[] = [...words].map(([word, count]) => ({ symbols: [...word].map((each) => ids.get(each)!), count }));
  const counts = new Map<number, number>();
  const holders = new Map<number, Set<Word>>();
  const count = (word: Word, sign: 1 | -1) => {
    for (let i = 0; i + 1 < word.symbols.length; i++) {
      const pair = word.symbols[i]! * SHIFT + word.symbols[i + 1]!;
      counts.set(pair, (counts.get(pair) ?? 0) + sign * word.count);
      if (sign < 0) continue;
      const holding = holders.get(pair);
      if (holding) holding.add(word);
      else holders.set(pair, new Set([word]));
    }
  };
  for (const word of all) count(word, 1);

  const merges: [string, string][] = [];
  while (tokens.length < vocabSize) {
    let [best, most] = [-1, Math.max(1, minCount) - 1];
    for (const [pair, often] of counts)
      if (often > most || (often === most && pair < best)) [best, most] = [pair, often];
    if (best < 0) break;
    const [first, second] = [Math.floor(best / SHIFT), best % SHIFT];
    const merged = tokens[first]! + tokens[second]!;
    let id = ids.get(merged);
    if (id === undefined) {
      id = tokens.push(merged) - 1;
      ids.set(merged, id);
    }
    merges.push([tokens[first]!, tokens[second]!]);
    for (const word of holders.get(best)!) {
      count(word, -1);
      word.symbols = joined(word.symbols, first, second, id);
      count(word, 1);
    }
    counts.delete(best);
    holders.delete(best);
  }
  return { tokens, merges };
}

function joined(symbols: readonly number[], first: number, second: number, id: number): number[] {
  const found: number[] = [];
  for (let i = 0; i < symbols.length; i++) {
    const pair = symbols[i] === first && symbols[i + 1] === second;
    found.push(pair ? id : symbols[i]!);
    if (pair) i++;
  }
  return found;
}
