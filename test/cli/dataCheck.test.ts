import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { drawShapes } from '../../examples/drawn-shapes/drawShapes';
import { dataCommand } from '../../src/cli/dataCheck';
import type { DataReport } from '../../src/cli/dataReport';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'check-'));
  await drawShapes(root, { pictures: 20, seed: 7 });
  await rm(join(root, 'images', 'shapes_0003.png'));
  await writeFile(join(root, 'images', 'shapes_0004.png'), 'no picture');
});
afterAll(() => rm(root, { recursive: true }));

const run = (...args: string[]) => runOn(root, ...args);

async function runOn(folder: string, ...args: string[]): Promise<string> {
  const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    await dataCommand().parseAsync(['check', '--data-path', folder, ...args], { from: 'user' });
    return written.mock.calls.map(([text]) => text).join('');
  } finally {
    written.mockRestore();
  }
}

test('the report names what was recognised, the counts, and what is bad', async () => {
  const report = JSON.parse(await run('--json', '--pictures')) as DataReport;
  expect(report).toMatchObject({ layout: 'flickr8k', splitSource: 'files', picturesDecoded: 19 });
  const splits = Object.values(report.splits);
  expect(splits.reduce((sum, { pictures }) => sum + pictures, 0)).toBe(19);
  expect(splits.map(({ captions, pictures }) => captions / pictures)).toEqual([5, 5, 5]);
  expect(report.splits.train.captionsPerPicture).toEqual({ least: 5, mean: 5, most: 5 });
  expect(report.vocabulary).toMatchObject({ minCount: 5 });
  expect(report.vocabulary.known).toBeGreaterThan(0.9);
  expect(report.problems).toEqual([
    { where: 'shapes_0003.png', problem: 'has captions but no picture' },
    { where: 'shapes_0004.png', problem: expect.stringMatching(/shapes_0004.png does not decode/) },
  ]);
});

test('people get a table', async () => {
  const text = await run();
  expect(text).toMatch(/^Recognised flickr8k; splits as the data says\.\nFound 100 captions of 20 pictures/);
  expect(text).toMatch(/\nsplit {2}pictures {2}captions {2}words {2}captions per picture\n/);
  expect(text).toMatch(/\n1 problem:\n {2}shapes_0003.png {2}has captions but no picture\n$/);
});

test('a vocabulary that would be empty is said, not refused', async () => {
  expect(await run('--min-count', '9999')).toMatch(/no word occurs 9999 times in train/);
});

test('captions that cleaning would leave out, and pictures in two splits, are told by name', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'check-csv-'));
  try {
    const picture = (index: number) => join(root, 'images', `shapes_000${index}.png`);
    for (const [name, index] of [
      ['a.png', 0],
      ['b.png', 1],
      ['c.png', 0],
    ] as const)
      await copyFile(picture(index), join(folder, name));
    await writeFile(
      join(folder, 'train.csv'),
      'image,caption\na.png,A dog runs there\na.png,Ein Hund rennt durch das Gras\nb.png,IMG_1234\n',
    );
    await writeFile(join(folder, 'test.csv'), 'image,caption\nc.png,A cat sits there\n');
    const report = JSON.parse(await runOn(folder, '--captions', '--language', 'en', '--leaks', '--json')) as DataReport;
    expect(report).toMatchObject({ layout: 'csv', found: { captions: 4, pictures: 3 }, problems: [] });
    expect(report.splits.train).toMatchObject({ pictures: 2, captions: 3, words: 12 });
    const { captions, kept, picturesLeftOut, dropped } = report.cleaning!.train;
    expect([captions, kept, picturesLeftOut]).toEqual([3, 1, 1]);
    expect(dropped.filter(({ count }) => count > 0).map(({ rule }) => rule)).toEqual(['file name', 'other language']);
    expect(report.leaks).toEqual([
      { first: { part: 'train', id: 'a.png' }, second: { part: 'test', id: 'c.png' }, kind: 'picture', distance: 0 },
    ]);
    const text = await runOn(folder, '--captions', '--leaks', '--pictures');
    expect(text).toMatch(
      /Cleaning would keep 2 of 3 captions of train, and leave out 1 picture whole:\n {2}file name {2}1 {2}b.png "IMG_1234" is the name of a file/,
    );
    expect(text).toMatch(/1 leak:\n {2}train a.png {2}looks like \(0 of 128 bits apart\) test c.png/);
    expect(text).toMatch(/Decoded 3 pictures.\nNo picture is odd.\n/);
    await expect(runOn(folder, '--language', 'en')).rejects.toThrow(/Give --captions too/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

const shared = process.env.CAPTIONING_DATA ?? '../shared/data';
test.skipIf(!existsSync(join(shared, 'flickr8k')))('the real Flickr8k has the numbers that it should', async () => {
  const report = JSON.parse(await runOn(join(shared, 'flickr8k'), '--json')) as DataReport;
  expect(report).toMatchObject({ layout: 'flickr8k', splitSource: 'files', found: { captions: 40_460 } });
  expect(report.splits.train).toMatchObject({ pictures: 6000, captions: 30_000 });
  expect(report.splits.dev).toMatchObject({ pictures: 1000, captions: 5000 });
});

test.skipIf(!existsSync(join(shared, 'coco')))('the real COCO has the numbers that it should', async () => {
  const report = JSON.parse(await runOn(join(shared, 'coco'), '--json')) as DataReport;
  expect(report).toMatchObject({ layout: 'coco', splitSource: 'files', found: { captions: 25_414, pictures: 5080 } });
  expect(report.splits.train).toMatchObject({ pictures: 80, captions: 400 });
  expect(report.splits.dev).toMatchObject({ pictures: 80, captions: 400 });
  expect(report.problems).toHaveLength(4921);
});
