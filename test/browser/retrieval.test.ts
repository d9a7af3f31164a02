import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Random } from '../../src/core/random';
import { bruteForce, unit } from '../retrieval/vectors';
import { noBrowser, openPage, type Page } from './page';

describe.skipIf(noBrowser)('an index in a browser', () => {
  let page: Page;

  beforeAll(async () => {
    page = await openPage('retrieval.page.ts');
  });

  afterAll(() => page?.close());

  test.each(['indexedDB', 'opfs'])('kept in %s finds what brute force finds here', async (where) => {
    const [count, size, seed, queries] = [5000, 40, 7, 4];
    const found = await page.call<string[][]>('searchKept', where, count, size, seed, queries);
    const values = new Random(seed).normal((count + queries) * size);
    const rows = Array.from({ length: count + queries }, (_, i) => unit(values.slice(i * size, (i + 1) * size)));
    const vectors = rows.slice(0, count);
    expect(found).toEqual(
      rows.slice(count).map((query) =>
        bruteForce(vectors, query)
          .slice(0, 10)
          .map(({ row }) => `${row}`),
      ),
    );
  });

  test('finds canvases by words and by a picture', async () => {
    const { byWords, byPicture } = await page.call<{ byWords: object; byPicture: string }>('searchCanvases');
    expect(byWords).toEqual({ id: 'navy', score: expect.closeTo(1, 3), metadata: { colour: 'navy' } });
    expect(byPicture).toBe('forestgreen');
  });
});
