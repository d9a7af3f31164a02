import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { drawPages } from '../../examples/wikipedia/drawPages';
import { metadataOf } from '../../src/captioner/metadata';
import { loadCaptionData } from '../../src/node/captionData';

// A program that takes some seconds of a processor.
vi.setConfig({ testTimeout: 300_000 });

const root = join(import.meta.dirname, '../..');
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wikipedia-'));
  await drawPages(join(folder, 'runs/pages'), { pictures: 30, seed: 7 });
});
afterAll(() => rm(folder, { recursive: true }));

test('the tables are read as those of Wikipedia, with pages of their own in every split', async () => {
  const data = await loadCaptionData(join(folder, 'runs/pages'));
  expect(data.layout).toBe('wikipedia');
  expect(data.problems).toEqual([]);
  expect([data.train.size, data.dev.size, data.test.size]).toEqual([24, 3, 3]);
  const titles = new Map<string, Set<unknown>>();
  for (const split of ['train', 'dev', 'test'] as const)
    for await (const example of data[split]) {
      const { page_title: title, section_title: section } = metadataOf(example)!;
      titles.set(split, (titles.get(split) ?? new Set()).add(title));
      expect(example.captions[0]).toContain(` of ${title} is a `);
      expect(['National symbols', 'Armed forces', 'Postal history']).toContain(section);
      expect(await example.image()).toMatchObject({ width: 64, height: 64 });
    }
  for (const title of titles.get('test')!) expect(titles.get('train')).not.toContain(title);
});

test('the program trains, scores with and without metadata, and captions on pages that it has not seen', async () => {
  const env = { ...process.env, TSX_TSCONFIG_PATH: join(root, 'examples/tsconfig.json') };
  const path = join(root, 'examples/wikipedia/train.js');
  const command = ['--import', import.meta.resolve('tsx'), path, '--epochs', '2', '--backend', 'wasm'];
  const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: folder, env });
  expect(stdout).toMatch(/^step 4 of 4: loss [\d.]+$/m);
  expect(stdout).toMatch(/^with metadata: BLEU-4 [\d.]+$/m);
  expect(stdout).toMatch(/^without metadata: BLEU-4 [\d.]+$/m);
  expect(stdout.match(/^ {2}on the page .*: .*$/gm)).toHaveLength(3);
});
