import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { drawShapes } from '../../examples/drawn-shapes/drawShapes';

// Of programs, each of which takes some seconds of a processor.
vi.setConfig({ testTimeout: 300_000 });

const root = join(import.meta.dirname, '../..');
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vision-language-'));
  await drawShapes(join(folder, 'runs/shapes'), { pictures: 30, seed: 7 });
});
afterAll(() => rm(folder, { recursive: true }));

test('a captioner learns captions with masked words and matching, then captions alone, and its captions are judged', async () => {
  const printed = await run('tasks.js', '--task-epochs', '2', '--caption-epochs', '1');
  expect(printed).toMatch(/^step 4 of 4: loss [\d.]+, mlm [\d.]+, itm [\d.]+$/m);
  expect(printed, 'then captions alone').toMatch(/^step 2 of 2: loss [\d.]+$/m);
  expect(printed).toMatch(/CIDEr: [\d.]+/);
  expect(printed.match(/^shapes_\d+\.png: .* \(fits with probability [01]\.\d\d\)$/gm)).toHaveLength(3);
});

test('pictures are found by words', async () => {
  const printed = await run('find.js', 'a red circle', '--epochs', '2');
  expect(printed).toMatch(/^step 2 of 2: loss [\d.]+, temperature 0\.\d+$/m);
  expect(printed).toMatch(/^Of 3 pictures a caption finds its own among the first ten in 100 % of cases\.$/m);
  expect(printed.match(/^ {2}-?[\d.]+ shapes_\d+\.png, described as: .+$/gm)).toHaveLength(3);
});

/** Runs a program of the example against the sources instead of the built package. */
async function run(script: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, TSX_TSCONFIG_PATH: join(root, 'examples/tsconfig.json') };
  const path = join(root, 'examples/vision-language', script);
  const command = ['--import', import.meta.resolve('tsx'), path, ...args, '--backend', 'wasm'];
  const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: folder, env });
  return stdout;
}
