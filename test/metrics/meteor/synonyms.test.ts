import { expect, test } from 'vitest';
import { synonymDictionary } from '../../../src/metrics/meteor/synonyms';

const synsetsOf = synonymDictionary(
  new Map([
    ['dog', [1]],
    ['dogs', [2]],
    ['goose', [3]],
    ['pas', [4]],
    ['pass', [5]],
    ['fly', [6]],
    ['bake', [7]],
    ['as', [8]],
    ['man', [9]],
  ]),
  new Map([['geese', ['goose', 'dog']]]),
);

test.each([
  ['dog', [1]],
  ['dogs', [2, 1]], // its own and those of its base form
  ['geese', [3, 1]], // of every base form
  ['pass', [5]], // not of pas
  ['flies', [6]],
  ['baking', [7]], // by the rule that adds an e
  ['as', [8]], // too short for a suffix
  ['men', [9]],
  ['xs', []],
])('%s', (word, numbers) => {
  expect([...synsetsOf(word)]).toEqual(numbers);
});
