import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { committedFolder, readJson } from '../goldens';

const root = join(import.meta.dirname, '../../..');
const { items } = readJson(`${committedFolder}/captions.inputs.json`);
const expected = readJson(`${committedFolder}/captions.expected.json`);
let folder: string;

/** A package as npm installs it, made of the metrics and their thread alone; threads start from a file, not from source. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'threads-'));
  await mkdir(join(folder, 'node_modules/@tfjs-captioning'), { recursive: true });
  await symlink(join(root, 'packages/meteor-en'), join(folder, 'node_modules/@tfjs-captioning/meteor-en'));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await build({
    entryPoints: {
      metrics: join(root, 'src/metrics/index.ts'),
      meteorThread: join(root, 'src/metrics/meteor/meteorThread.ts'),
    },
    outdir: folder,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'neutral',
    logLevel: 'error',
  });
});

afterAll(() => rm(folder, { recursive: true }));

async function run(script: string) {
  const captions = Array.from({ length: 700 }, (_, id) => ({ ...items[id % items.length], id }));
  const file = join(folder, `${Math.random()}.js`);
  await writeFile(
    file,
    `import { scoreCaptions } from './metrics.js';
     const captions = ${JSON.stringify(captions)};
     const settings = { metrics: ['cider', 'meteor'], details: true };
     ${script}`,
  );
  return JSON.parse((await promisify(execFile)(process.execPath, [file])).stdout);
}

test('threads give the statistics of the reference, in input order, with progress', async () => {
  const { segments, done } = await run(`
    const done = [];
    const { segments } = await scoreCaptions(captions, { ...settings, threads: 2, onProgress: (n) => done.push(n) });
    console.log(JSON.stringify({ segments, done }));`);
  for (const [i, segment] of segments.entries())
    expect(segment['METEOR statistics']).toEqual(expected.meteor.stats[i % items.length].split(' ').map(Number));
  expect(Object.keys(segments[0])).toEqual(['id', 'CIDEr', 'METEOR', 'METEOR statistics']);
  expect(done.at(-1)).toBe(3 * 700);
});

test('threads stop with the signal, and leave nothing that keeps the process alive', async () => {
  const { name } = await run(`
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    const { name } = await scoreCaptions(captions, { ...settings, threads: 2, signal: controller.signal }).catch((e) => e);
    console.log(JSON.stringify({ name }));`);
  expect(name).toBe('AbortError');
});

test('where the file of the thread is missing the work is done without it', async () => {
  await rm(join(folder, 'meteorThread.js'));
  const { corpus } = await run(
    `console.log(JSON.stringify(await scoreCaptions(captions.slice(0, ${items.length}), { ...settings, threads: 1 })));`,
  );
  expect(corpus.METEOR).toBeCloseTo(expected.meteor.corpus, 12);
});
