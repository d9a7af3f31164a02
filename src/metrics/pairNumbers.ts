/** What the table has for a pair: its two numbers, and the number it was given + 1. Where that is 0 there is no pair. */
const FIELDS = 3;

/**
 * Numbers pairs of integers, which are not negative, from 0 in the order in which they are added. A hash table in one array:
 * for the n-grams of 25,000 captions it takes a fifth of the time of a `Map` that has both integers in one number as its key.
 */
export class PairNumbers {
  #table = new Int32Array(FIELDS * 64);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The number of a pair, -1 where it was not added. */
  find(first: number, second: number): number {
    return this.#table[this.#placeOf(first, second) + 2]! - 1;
  }

  /** The number of a pair, a new one where it has none. */
  add(first: number, second: number): number {
    const place = this.#placeOf(first, second);
    const known = this.#table[place + 2]!;
    if (known > 0) return known - 1;
    this.#write(place, first, second, ++this.#size);
    // With half of the table free, a pair or its absence is found within few steps.
    if (2 * FIELDS * this.#size > this.#table.length) this.#grow();
    return this.#size - 1;
  }

  /** The pairs in the order of their numbers. */
  pairs(): [first: number, second: number][] {
    const pairs = new Array<[number, number]>(this.#size);
    const table = this.#table;
    for (let place = 0; place < table.length; place += FIELDS)
      if (table[place + 2] !== 0) pairs[table[place + 2]! - 1] = [table[place]!, table[place + 1]!];
    return pairs;
  }

  /** Where a pair is in the table, or else where there is room for it. */
  #placeOf(first: number, second: number): number {
    const table = this.#table;
    const mixed = Math.imul(first, 0x9e3779b1) + second;
    const hash = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    let place = FIELDS * ((hash ^ (hash >>> 15)) & (table.length / FIELDS - 1));
    while (table[place + 2] !== 0 && (table[place] !== first || table[place + 1] !== second)) {
      place += FIELDS;
      if (place === table.length) place = 0;
    }
    return place;
  }

  #write(place: number, first: number, second: number, number: number): void {
    this.#table[place] = first;
    this.#table[place + 1] = second;
    this.#table[place + 2] = number;
  }

  #grow(): void {
    const old = this.#table;
    this.#table = new Int32Array(4 * old.length);
    for (let from = 0; from < old.length; from += FIELDS) {
      const [first, second, number] = [old[from]!, old[from + 1]!, old[from + 2]!];
      if (number !== 0) this.#write(this.#placeOf(first, second), first, second, number);
    }
  }
}
