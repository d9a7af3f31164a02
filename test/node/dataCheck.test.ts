import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { drawShapes } from '../../examples/drawn-shapes/drawShapes';
import { type DataReport, dataCommand } from '../../src/cli/dataCheck';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'check-'));
  await drawShapes(root, { pictures: 20, seed: 7 });
  await rm(join(root, 'images', 'shapes_0003.png'));
  await writeFile(join(root, 'images', 'shapes_0004.png'), 'no picture');
});
afterAll(() => rm(root, { recursive: true }));

async function run(...args: string[]): Promise<string> {
  const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    await dataCommand().parseAsync(['check', '--data-path', root, ...args], { from: 'user' });
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
  expect(text).toMatch(/^Recognised flickr8k; splits from its split files\.\n/);
  expect(text).toMatch(/\nsplit {2}pictures {2}captions {2}captions per picture\n/);
  expect(text).toMatch(/\n1 problem:\n {2}shapes_0003.png {2}has captions but no picture\n$/);
});

test('a vocabulary that would be empty is said, not refused', async () => {
  expect(await run('--min-count', '9999')).toMatch(/no word occurs 9999 times in train/);
});
