import type { Tokens } from './metric';

/** Places of a caption in one number: 30, so that the sum of two such numbers is an integer of 32 bits. */
const BLOCK = 30;
const ALL = 2 ** BLOCK - 1;

/**
 * The length of the longest common subsequence of one caption with others. The usual table of a row for each word of the
 * other caption is kept as one bit for each place of this caption, 0 where the length in the table grows from the place
 * before; a row follows from that above by an addition, whose carry moves each growth to the first match before it.
 *
 * Time is the product of both lengths divided by 30, and for a caption of up to 30 words the length of the other.
 *
 * @see Hyyrö 2004, Bit-parallel LCS-length computation revisited
 */
export function commonSubsequence(words: Tokens): (others: Tokens) => number {
  const blocks = Math.ceil(words.length / BLOCK);
  /** Where each word is: pairs of a block and the bits of its places in there, in ascending order. */
  const placesOf = new Map<string, number[]>();
  for (let at = 0; at < words.length; at++) {
    const block = Math.floor(at / BLOCK);
    const bit = 1 << (at % BLOCK);
    const places = placesOf.get(words[at]!);
    if (places === undefined) placesOf.set(words[at]!, [block, bit]);
    else if (places.at(-2) === block) places[places.length - 1]! |= bit;
    else places.push(block, bit);
  }
  return (others) => {
    const row = new Array<number>(blocks).fill(ALL);
    for (const word of others) {
      const places = placesOf.get(word);
      if (places === undefined) continue;
      let carry = 0;
      for (let block = places[0]!, next = 0; block < blocks; block++) {
        const matches = places[next] === block ? places[next + 1]! : 0;
        if (matches !== 0) next += 2;
        const above = row[block]!;
        const sum = above + (above & matches) + carry;
        row[block] = (sum & ALL) | (above & ~matches);
        carry = sum >>> BLOCK;
      }
    }
    return row.reduce((length, bits) => length + countBits(ALL & ~bits), 0);
  };
}

function countBits(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}
