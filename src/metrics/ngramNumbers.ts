import type { Tokens } from './metric';
import { MAX_ORDER } from './ngrams';
import { PairNumbers } from './pairNumbers';

/** The numbers of a caption's n-grams for n = 1 to `MAX_ORDER`, at index n - 1: one for each word that an n-gram begins at. */
export type NumberedNgrams = readonly (readonly number[])[];

/**
 * Numbers the n-grams of captions from 0 on, so that they can be counted in arrays. An n-gram is its last word after another
 * n-gram, a pair of numbers: each word is looked up as text once, and no texts are put together.
 */
export class NgramNumbers {
  readonly #words = new Map<string, number>();
  /** Pairs of the n-gram before the last word, its number + 1 or 0 for nothing, and that word. */
  readonly #ngrams = new PairNumbers();

  get size(): number {
    return this.#ngrams.size;
  }

  /** Gives new n-grams the next numbers. */
  add(words: Tokens): NumberedNgrams {
    const wordNumbers: number[] = [];
    for (const word of words) {
      let number = this.#words.get(word);
      if (number === undefined) {
        number = this.#words.size;
        this.#words.set(word, number);
      }
      wordNumbers.push(number);
    }
    const orders: number[][] = [];
    for (let n = 1; n <= MAX_ORDER; n++) {
      const ngrams: number[] = [];
      for (let start = 0; start + n <= words.length; start++) {
        const before = n === 1 ? 0 : orders[n - 2]![start]! + 1;
        ngrams.push(this.#ngrams.add(before, wordNumbers[start + n - 1]!));
      }
      orders.push(ngrams);
    }
    return orders;
  }

  /** The n-grams of a caption that have numbers already, of all orders, with repetitions. */
  find(words: Tokens): number[] {
    const wordNumbers: number[] = [];
    for (const word of words) wordNumbers.push(this.#words.get(word) ?? -1);
    const found: number[] = [];
    for (let start = 0; start < words.length; start++) {
      let ngram = -1;
      const end = Math.min(start + MAX_ORDER, words.length);
      for (let at = start; at < end; at++) {
        ngram = this.#ngrams.find(ngram + 1, wordNumbers[at]!);
        // Where an n-gram has no number, none that begins with it has.
        if (ngram < 0) break;
        found.push(ngram);
      }
    }
    return found;
  }

  /** The n-grams in the order of their numbers, as words joined by a space, which no word has inside. */
  texts(): string[] {
    const words = [...this.#words.keys()];
    const texts: string[] = [];
    for (const [before, word] of this.#ngrams.pairs())
      texts.push(before === 0 ? words[word]! : `${texts[before - 1]} ${words[word]}`);
    return texts;
  }
}
