import { expect, test } from 'vitest';
import { automatonOf } from '../../../src/metrics/ptb/automaton';
import { longestMatch } from '../../../src/metrics/ptb/longestMatch';
import { seeded } from '../randomCaptions';

const random = seeded(3);
const below = (limit: number) => Math.floor(limit * random());
const pick = (from: readonly string[]) => from[below(from.length)]!;

/** A regular expression over a few characters, with all that `automatonOf` reads. */
function expression(depth: number): string {
  const character = () => pick(['a', 'b', 'c', '[ab]', '[^a]', '[^]', '\\.', '\\u00e9', '\\p{L}', '[a-c.]']);
  const part = () => (depth === 0 || below(3) > 0 ? character() : `(${pick(['', '?:'])}${expression(depth - 1)})`);
  const repeated = () => part() + pick(['', '', '', '*', '+', '?', '{2}', '{1,3}', '{2,}', '{0,2}', '+?', '*?']);
  const sequence = () => Array.from({ length: 1 + below(3) }, repeated).join('');
  return Array.from({ length: 1 + below(2) }, sequence).join('|');
}

/** By trying all lengths, with the engine's own regular expressions. */
function longestByTrial(sources: readonly string[], text: string, place: number) {
  const patterns = sources.map((source) => new RegExp(`^(?:${source})$`, 'u'));
  for (let length = text.length - place; length > 0; length--) {
    const found = patterns.findIndex((pattern) => pattern.test(text.slice(place, place + length)));
    if (found >= 0) return { length, expression: found };
  }
  return { length: 0, expression: -1 };
}

test('finds what trying all lengths with RegExp finds, for 1,000 random lists of expressions', () => {
  for (let i = 0; i < 1000; i++) {
    const sources = Array.from({ length: 1 + below(4) }, () => expression(2));
    const matchAt = longestMatch(sources);
    // Short texts: RegExp may take a time that is exponential in their length. Two, since states of the first are kept.
    for (let j = 0; j < 2; j++) {
      const text = Array.from({ length: 1 + below(7) }, () => pick(['a', 'b', 'c', '.', 'é', ' '])).join('');
      const deadEnds = new Set<number>();
      for (let place = 0; place < text.length; place++)
        expect(matchAt(text, place, deadEnds), `${JSON.stringify(sources)} in '${text}' at ${place}`).toEqual(
          longestByTrial(sources, text, place),
        );
    }
  }
}, 60_000);

test('looking far ahead in vain changes no match', () => {
  const sources = ['a', 'a[ab]*c', '[ab]*bd'];
  const matchAt = longestMatch(sources);
  for (const end of ['', 'c', 'd']) {
    const text = 'aab'.repeat(60) + end;
    const deadEnds = new Set<number>();
    for (let place = 0; place < text.length; place++)
      expect(matchAt(text, place, deadEnds), `${end} at ${place}`).toEqual(longestByTrial(sources, text, place));
    if (end === '') expect(deadEnds.size).toBeGreaterThan(100);
  }
});

test('an expression that it cannot read is an error', () => {
  for (const source of ['(a', 'a)', '*', 'a{', '(?=a)', '^a', 'a$', '\\bc', '[a']) {
    expect(() => automatonOf([source]), source).toThrow(SyntaxError);
  }
});
