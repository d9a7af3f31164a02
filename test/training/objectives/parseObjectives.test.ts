import { expect, test } from 'vitest';
import { UsageError } from '../../../src/core/errors';
import { parseObjectives } from '../../../src/training/objectives/parseObjectives';

test.each([
  ['caption', { caption: 1 }],
  ['caption+mlm:0.5+itm:1', { caption: 1, mlm: 0.5, itm: 1 }],
  [' ITC : 2e-1 + mlm', { itc: 0.2, mlm: 1 }],
])('%s is read', (text, weights) => {
  expect(parseObjectives(text)).toEqual(weights);
});

test.each([
  ['caption+vqa', /at 'vqa'.*caption, mlm, itm, itc/],
  ['caption+mlm:', /at 'mlm:'/],
  ['caption+mlm:0', /at 'mlm:0'/],
  ['caption+mlm:-1', /at 'mlm:-1'/],
  ['', /at ''/],
  ['mlm+mlm:2', /names mlm twice/],
])("'%s' is wrong use", (text, message) => {
  expect(() => parseObjectives(text)).toThrow(UsageError);
  expect(() => parseObjectives(text)).toThrow(message);
});
