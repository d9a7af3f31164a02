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
