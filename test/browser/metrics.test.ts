import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { CaptionScores, ScoredCaption } from '../../src/metrics';
import { committedFolder, readJson } from '../metrics/goldens';
import { noBrowser, openPage, type Page } from './page';

const { items } = readJson(`${committedFolder}/captions.inputs.json`) as { items: ScoredCaption[] };
const expected = readJson(`${committedFolder}/captions.expected.json`);

describe.skipIf(noBrowser)('the metrics in a browser', () => {
  let page: Page;

  beforeAll(async () => {
    const folder = join(import.meta.dirname, '../../packages/meteor-en/data');
    const names = await readdir(folder);
    const files = await Promise.all(
      names.map(async (name) => [`/meteor-en/${name}`, await readFile(join(folder, name))] as const),
    );
    page = await openPage('metrics.page.ts', { files: Object.fromEntries(files) });
  });

  afterAll(() => page?.close());

  test("score as the reference does, with METEOR's data streamed from a URL", async () => {
    const { corpus, segments } = await page.call<CaptionScores>('score', items, '/meteor-en');
    expect(corpus.METEOR).toBeCloseTo(expected.meteor.corpus, 9);
    expect(corpus['BLEU-4']).toBeCloseTo(expected.bleu.corpus[3], 9);
    expect(corpus['ROUGE-L']).toBeCloseTo(expected.rougeL.corpus, 9);
    expect(corpus.CIDEr).toBeCloseTo(expected.cider.corpus, 9);
    for (const [i, segment] of segments.entries())
      expect(segment['METEOR statistics']).toEqual(expected.meteor.stats[i].split(' ').map(Number));
  });

  test('leave METEOR out without its data, and say how to get it', async () => {
    const { names, omitted, refusal } = await page.call<{
      names: string[];
      omitted: Record<string, string>;
      refusal: string;
    }>('scoreWithoutData', items.slice(0, 2));
    expect(names).toEqual(['BLEU-1', 'BLEU-2', 'BLEU-3', 'BLEU-4', 'ROUGE-L', 'CIDEr']);
    expect(omitted.METEOR).toContain('@tfjs-captioning/meteor-en');
    expect(refusal).toMatch(/npm install @tfjs-captioning\/meteor-en.*loadMeteorData\(\{ from \}\)/);
  });
});
