import { expect, test } from 'vitest';
import { tokenizeCaption } from '../../src/metrics/index';

test('tokens are what splitting the reference at spaces gives', () => {
  expect(tokenizeCaption("A dog doesn't like 1 1/2 U.S. pizzas (cold).")).toEqual(
    ['a', 'dog', 'does', "n't", 'like', '1\u00a01/2', 'u.s.', 'pizzas', '-lrb-', 'cold', '-rrb-'], // as pycocoevalcap 1.2 gives them
  );
  expect(tokenizeCaption('')).toEqual([]);
  expect(tokenizeCaption(' . ! ')).toEqual([]);
});

test('a line break inside a caption counts as a space', () => {
  for (const lineBreak of ['\n', '\r\n', '\v', '\f', '\u0085', '\u2028', '\u2029'])
    expect(tokenizeCaption(`a dog${lineBreak}runs`)).toEqual(['a', 'dog', 'runs']);
});

/** Characters of the whole range, lone surrogates included, in an order that is the same in every run. */
function scattered(length: number, seed: number): string {
  let state = seed;
  let text = '';
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    // Every other one from ASCII, where the rules are.
    text += String.fromCharCode(i % 2 === 0 ? (state >>> 8) & 0x7f : state >>> 16);
  }
  return text;
}

test('never fails, and gives no empty token', () => {
  for (let seed = 0; seed < 3000; seed++)
    for (const token of tokenizeCaption(scattered(seed % 40, seed))) expect(token).not.toBe('');
});

test('takes time in proportion to the length', () => {
  const seconds = (text: string) => {
    const times = [0, 1, 2].map(() => {
      const start = performance.now();
      tokenizeCaption(text);
      return performance.now() - start;
    });
    return Math.min(...times) / 1000;
  };
  for (const make of [
    (length: number) => scattered(length, 7),
    (length: number) => 'a dog runs, on the grass. '.repeat(length / 26),
    (length: number) => 'a'.repeat(length),
    (length: number) => 'a.'.repeat(length / 2),
    (length: number) => '1,'.repeat(length / 2),
    (length: number) => 'a-'.repeat(length / 2),
    (length: number) => '\u00ad'.repeat(length),
    (length: number) => 'é~'.repeat(length / 2),
  ]) {
    const [short, long] = [seconds(make(5_000)), seconds(make(40_000))];
    // 8 times the text; a factor of 64 would be quadratic, and takes seconds here. The constant forgives a busy machine.
    expect(long, make(20)).toBeLessThan(24 * short + 0.5);
  }
});
