import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { build as bundle } from 'esbuild';
import { build } from 'tsup';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const run = promisify(execFile);
let dist: string;

beforeAll(async () => {
  await mkdir(join(root, '.cache'), { recursive: true });
  dist = await mkdtemp(join(root, '.cache/dist-')); // here the packages that it imports are found
  await build({ outDir: dist, dts: false, clean: false, silent: true });
});
afterAll(() => rm(dist, { recursive: true, force: true }));

const scripts = async () => (await readdir(dist)).filter((name) => name.endsWith('.js'));

test('the command can be started by its name', async () => {
  const text = await readFile(join(dist, 'cli.js'), 'utf8');
  expect(text.split('\n')[0]).toBe('#!/usr/bin/env node');
});

test('packages are imported, not copied in', async () => {
  const imported = new Set<string>();
  for (const name of await scripts())
    for (const [, from] of (await readFile(join(dist, name), 'utf8')).matchAll(
      /(?:from |import\()["']([^."'][^"']*)["']/g,
    ))
      imported.add(from!);
  expect([...imported].filter((from) => !from.startsWith('node:')).sort()).toEqual([
    '@huggingface/hub',
    '@huggingface/tokenizers',
    '@observablehq/plot',
    '@tensorflow/tfjs',
    '@tensorflow/tfjs-backend-wasm',
    'commander',
    'csv-parse',
    'eld/small',
    'h5wasm',
    'hyparquet',
    'hyparquet-compressors',
    'linkedom',
    'sharp',
    'valibot',
  ]);
});

test('maps name no file of the machine that built them', async () => {
  for (const name of await scripts()) {
    const { sources, sourceRoot } = JSON.parse(await readFile(join(dist, `${name}.map`), 'utf8'));
    expect(sourceRoot).toBeUndefined();
    for (const source of sources) expect(source).toMatch(/^(\.\.\/)+src\//);
  }
});

test('the metrics need no package: they score where none is installed', async () => {
  const elsewhere = await mkdtemp(join(tmpdir(), 'metrics-'));
  try {
    for (const name of await scripts()) await cp(join(dist, name), join(elsewhere, name));
    const entry = JSON.stringify(pathToFileURL(join(elsewhere, 'metrics.js')));
    const program = `import { scoreCaptions } from ${entry};
      const { corpus } = await scoreCaptions([{ id: 1, candidate: 'a red circle on the left', references: ['A red circle on the left .'] }], { metrics: ['bleu'] });
      console.log(corpus['BLEU-4'].toFixed(6));`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', program], { cwd: elsewhere });
    expect(stdout.trim()).toBe('1.000000');
    // The same folder shows that the other entries do need packages, which are not found from here.
    const other = `import ${JSON.stringify(pathToFileURL(join(elsewhere, 'index.js')))}`;
    await expect(run(process.execPath, ['--input-type=module', '--eval', other])).rejects.toThrow('@tensorflow/tfjs');
  } finally {
    await rm(elsewhere, { recursive: true });
  }
});

test('an application can be bundled for the browser, and the node entry cannot', async () => {
  const forBrowser = (entry: string) =>
    bundle({
      entryPoints: [join(dist, entry)],
      bundle: true,
      write: false,
      outdir: '/',
      format: 'esm',
      splitting: true,
      platform: 'browser',
      logLevel: 'silent',
    });
  const { outputFiles } = await forBrowser('index.js');
  expect(outputFiles.map(({ text }) => text).join('\n')).not.toMatch(/["']node:/);
  await expect(forBrowser('indexNode.js')).rejects.toThrow('Could not resolve "node:');
});

test('the entries for Node and browser export the same names', async () => {
  const [browser, node] = await Promise.all([import('../../src/index'), import('../../src/indexNode')]);
  expect(Object.keys(node).sort()).toEqual(Object.keys(browser).sort());
  // And of the same types: this line does not compile otherwise.
  const both: [typeof browser, typeof node] = [node, browser];
  expect(both.length).toBe(2);
});

test("names that people's scripts use are there", async () => {
  const entries = { index: '../../src/index', node: '../../src/node', metrics: '../../src/metrics/index' };
  const names = {
    index: 'AttentionLSTMCaptioner WordTokenizer adamW beam evaluate greedy sample selectBackend train',
    node: 'directory loadCaptionData loadEncoder readImage',
    metrics: 'bleu cider rougeL scoreCaptions tokenizeCaption',
  };
  for (const [entry, path] of Object.entries(entries))
    expect(Object.keys(await import(path))).toEqual(
      expect.arrayContaining(names[entry as keyof typeof names].split(' ')),
    );
});
