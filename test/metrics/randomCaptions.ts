import type { Tokens } from '../../src/metrics/index';

/** Uniform numbers from 0 to 1 that depend on the seed alone (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const ODD = [
  'a',
  'dog',
  '__proto__',
  'constructor',
  '1\u00a01/2',
  '\u00a0',
  '',
  '\ud800',
  '\u0000',
  'ﬁ',
  'e\u0301',
  '👩‍👩‍👧',
  '犬',
];

/** Captions of 0 to 14 tokens: few different words, odd ones, or any code units at all. */
export function randomCaptions(random: () => number, count: number): Tokens[] {
  const below = (limit: number) => Math.floor(limit * random());
  const variety = below(3);
  const token = () => {
    if (variety === 0) return ODD[below(2)]!;
    if (variety === 1) return ODD[below(ODD.length)]!;
    return String.fromCharCode(...Array.from({ length: 1 + below(4) }, () => below(0x10000)));
  };
  return Array.from({ length: count }, () => Array.from({ length: below(15) }, token));
}
