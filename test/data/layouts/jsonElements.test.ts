import { expect, test } from 'vitest';
import { jsonElements } from '../../../src/data/layouts/jsonElements';
import { collect } from '../collect';
import { inChunks } from './inChunks';

const lists = ['images', 'annotations'];
const read = (text: string, size = 1000) => collect(jsonElements(inChunks(text, size), lists, 'f.json'));

test.each([1, 2, 3, 5, 8, 13, 1000])(
  'elements are the same as JSON.parse gives, in pieces of %i bytes',
  async (size) => {
    const value = {
      info: { images: [1, { annotations: [2] }], text: 'images": [' },
      images: [{ id: 1, name: 'a]}\\"é,' }, { id: [2, { deep: '}' }] }, {}, []],
      x: 'annotations',
      annotations: [1, 'a,b]', null, true, -1.5e3, [1, 2]],
      none: [],
    };
    const expected = lists.flatMap((name) =>
      value[name as 'images'].map((each: unknown, index: number) => ({ name, index, value: each })),
    );
    for (const indent of [0, 2]) expect(await read(JSON.stringify(value, null, indent), size)).toEqual(expected);
  },
);

test.each<[string, string, RegExp]>([
  ['cut off in an element', '{"images":[{"id":1},{"id"', /is cut off/],
  ['cut off between lists', '{"images":[{"id":1}]', /is cut off/],
  ['an element that is no JSON', '{"images":[{"id":1},{"id":}]}', /element 1 of images that is no JSON/],
  ['a list', '[1]', /is no JSON object: it starts with "\[1\]"/],
  ['nothing', ' \n', /is empty/],
  ['more than an object', '{} {}', /goes on after its end/],
])('%s is refused', async (_, text, message) => {
  await expect(read(text)).rejects.toThrow(message);
});
