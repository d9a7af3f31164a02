import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { toPixels } from '../../src/data/pixels';
import { readImage } from '../../src/node/image';
import { expectClose } from '../helpers';
import { noBrowser, openPage, type Page } from './page';

type Pixels = { data: number[]; width: number; height: number };

const folder = join(import.meta.dirname, '../goldens/models/preprocess');
const pictures = readdirSync(folder).filter((name) => /\.(png|jpg)$/.test(name) && !/expected/.test(name));

// Exact but for JPEG, whose decoders may differ by a unit here and there, and more so where they turn ink into light.
const tolerance = (name: string) => (name === 'cmyk.jpg' ? 3 : name.endsWith('.jpg') ? 1 : 0);

describe.skipIf(noBrowser)('pictures in a browser', () => {
  let page: Page;
  beforeAll(async () => {
    const files = pictures.map((name) => [`/${name}`, readFileSync(join(folder, name))] as const);
    page = await openPage('pictures.page.ts', { files: Object.fromEntries(files) });
  });
  afterAll(() => page?.close());

  test.each(pictures.flatMap((name) => [[name, 'white'] as const, [name, 'drop'] as const]))(
    '%s, alpha %s, has the pixels that it has in Node',
    async (name, alpha) => {
      const expected = await toPixels(await readImage(join(folder, name)), { alpha });
      const { ofBlob, ofElement } = await page.call<Record<'ofBlob' | 'ofElement', Pixels>>(
        'pixelsOf',
        `/${name}`,
        alpha,
      );
      for (const { data, width, height } of [ofBlob, ofElement]) {
        expect([width, height]).toEqual([expected.width, expected.height]);
        expectClose(data, expected.data, tolerance(name));
      }
    },
  );
});
