import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drawShapes } from '../../examples/drawn-shapes/drawShapes';

const root = join(import.meta.dirname, '../..');
const script = join(root, 'examples/unusual-parts/train.js');
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unusual-parts-'));
  await drawShapes(join(folder, 'runs/shapes'), { pictures: 800, seed: 7 });
});
afterAll(() => rm(folder, { recursive: true }));

test('a GRU with adaptive attention and two encoders learns, and says how much each word was seen', {
  timeout: 600_000,
}, async () => {
  const env = {
    ...process.env,
    TSX_TSCONFIG_PATH: join(root, 'examples/tsconfig.json'),
  };
  const command = ['--import', import.meta.resolve('tsx'), script, '6'];
  const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: folder, env });
  expect(Number(/'BLEU-4': ([\d.]+)/.exec(stdout)?.[1]), stdout).toBeGreaterThan(0.4);
  expect(stdout).toMatch(/^a +\d+ % from the picture$/m);
});

test('it is shorter than sixty lines', async () => {
  expect((await readFile(script, 'utf8')).trimEnd().split('\n').length).toBeLessThan(60);
});
