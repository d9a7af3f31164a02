import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DataError } from '../../src/core/errors';
import type { PixelImage, Problem } from '../../src/data/types';
import { loadCaptionData } from '../../src/node/captionData';
import { collect } from '../data/collect';

const png = await sharp({ create: { width: 2, height: 2, channels: 3, background: 'red' } })
  .png()
  .toBuffer();

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'captions-'));
});
afterEach(() => rm(root, { recursive: true }));

async function write(files: Record<string, string | Uint8Array>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(root, name, '..'), { recursive: true });
    await writeFile(join(root, name), content);
  }
}

const names = ['a.jpg', 'b.jpg', 'c.jpg', 'd.jpg'];
const tokens = names.map((name) => `${name}#0\tOne ${name}\n${name}#1\tTwo ${name} .\n`).join('');
const csv = `image,caption\n${names.map((name) => `${name},"One , ${name}"\n`).join('')}`;
const pictures = (folder: string) => Object.fromEntries(names.map((name) => [join(folder, name), png]));
const splitFiles = {
  'Flickr_8k.trainImages.txt': 'b.jpg\na.jpg\n',
  'Flickr_8k.devImages.txt': 'c.jpg\n',
  'Flickr_8k.testImages.txt': 'd.jpg\n',
};

test('Flickr8k as distributed: captions, splits and pictures', async () => {
  await write({ 'Flickr8k.token.txt': tokens, ...splitFiles, ...pictures('images') });
  const data = await loadCaptionData(root);
  expect(data).toMatchObject({ layout: 'flickr8k', splitSource: 'files', problems: [] });
  expect([data.train.ids, data.dev.ids, data.test.ids]).toEqual([['b.jpg', 'a.jpg'], ['c.jpg'], ['d.jpg']]);
  const example = await data.train.at(0);
  expect(example).toMatchObject({ id: 'b.jpg', split: 'train', captions: ['One b.jpg', 'Two b.jpg .'] });
  expect(example.metadata).toEqual({ file: join(root, 'images', 'b.jpg') });
  expect(((await example.image()) as PixelImage).width).toBe(2);
});

test.each(['images', 'Images', 'Flicker8k_Dataset', 'Flickr8k_Dataset', 'Flickr8k_Dataset/Flicker8k_Dataset', '.'])(
  'pictures are found in %s',
  async (folder) => {
    await write({ 'captions.txt': csv, ...pictures(folder) });
    const data = await loadCaptionData(root);
    expect(data).toMatchObject({ layout: 'flickr8k-kaggle', splitSource: 'seed', problems: [] });
    expect(data.train.size + data.dev.size + data.test.size).toBe(4);
  },
);

test('texts may lie in the folder of their archive', async () => {
  const inside = Object.entries({ 'Flickr8k.token.txt': tokens, ...splitFiles });
  await write({
    ...Object.fromEntries(inside.map(([name, text]) => [`Flickr8k_text/${name}`, text])),
    ...pictures('Flicker8k_Dataset'),
  });
  const data = await loadCaptionData(root);
  expect([data.layout, data.splitSource, data.train.size]).toEqual(['flickr8k', 'files', 2]);
});

test('without split files the seed splits, the same way each time', async () => {
  const many = Array.from({ length: 40 }, (_, index) => `${index}.jpg`);
  await write({
    'captions.txt': `image,caption\n${many.map((name) => `${name},One\n`).join('')}`,
    ...Object.fromEntries(many.map((name) => [`Images/${name}`, png])),
  });
  const ids = async (options: Parameters<typeof loadCaptionData>[1]) => {
    const { train, dev, test } = await loadCaptionData(root, options);
    return [train.ids, dev.ids, test.ids];
  };
  const first = await ids({});
  expect(first.map(({ length }) => length)).toEqual([32, 4, 4]);
  expect(await ids({ seed: 0 })).toEqual(first);
  expect(await ids({ seed: 1 })).not.toEqual(first);
  expect((await ids({ splits: { dev: 0.25, test: 0 } })).map(({ length }) => length)).toEqual([30, 10, 0]);
});

test('shares that are given go before split files', async () => {
  await write({ 'Flickr8k.token.txt': tokens, ...splitFiles, ...pictures('images') });
  const data = await loadCaptionData(root, { splits: { dev: 0, test: 0 } });
  expect([data.splitSource, data.train.size]).toEqual(['seed', 4]);
});

test('what does not fit together is counted by name, and left out', async () => {
  const { 'images/b.jpg': _, ...others } = pictures('images');
  await write({
    'Flickr8k.token.txt': `\ufeff${tokens}broken\ne.jpg#0\tNo split\n`.replaceAll('\n', '\r\n'),
    ...splitFiles,
    'Flickr_8k.devImages.txt': 'c.jpg\na.jpg\nx.jpg\n',
    ...others,
    'images/e.jpg': png,
    'images/lonely.png': png,
    'images/Thumbs.db': 'x',
  });
  const told: Problem[] = [];
  const data = await loadCaptionData(root, { onProblem: (problem) => told.push(problem) });
  expect([data.train.ids, data.dev.ids, data.test.ids]).toEqual([[], ['c.jpg', 'a.jpg'], ['d.jpg']]);
  expect(data.problems).toEqual([
    { where: `${join(root, 'Flickr8k.token.txt')}, line 9`, problem: expect.stringContaining('no tab') },
    { where: 'x.jpg', problem: 'is in the dev split but has no captions' },
    { where: 'a.jpg', problem: 'is in the dev split and again in the train split; it stays in dev' },
    { where: 'e.jpg', problem: 'has captions and a picture but is in no split file' },
    { where: 'b.jpg', problem: 'has captions but no picture' },
    { where: join(root, 'images', 'lonely.png'), problem: 'is a picture without captions' },
  ]);
  expect(told).toEqual(data.problems);
});

test('captions without pictures can be kept for work on text', async () => {
  await write({ 'Flickr8k.token.txt': tokens, ...splitFiles });
  await expect(loadCaptionData(root)).rejects.toThrow(/None of the 4 pictures .*images.*names such as a.jpg/);
  const data = await loadCaptionData(root, { missingPictures: 'keep' });
  expect(data.train.size).toBe(2);
  expect(await collect(data.test.captions())).toEqual(['One d.jpg', 'Two d.jpg .']);
  expect(data.problems).toHaveLength(4);
  await expect((await data.test.at(0)).image()).rejects.toThrow(/d.jpg is not in the data folder/);
});

test.each<[string, Record<string, string | Uint8Array>, RegExp]>([
  [
    'an unknown layout',
    { 'notes.md': 'x', 'captions.txt': 'a b c' },
    /Looked for Flickr8k.token.txt.*Found captions.txt, notes.md/,
  ],
  [
    'an empty captions file',
    { 'Flickr8k.token.txt': '' },
    /flickr8k but has no usable caption. Is the captions file empty/,
  ],
  ['only bad rows', { 'captions.txt': 'image,caption\na.jpg\n' }, /no usable caption: .*line 2 has 1 fields/],
  [
    'some split files',
    { 'Flickr8k.token.txt': tokens, 'Flickr_8k.devImages.txt': 'a.jpg' },
    /not Flickr_8k.trainImages.txt, Flickr_8k.testImages.txt/,
  ],
  ['UTF-16', { 'Flickr8k.token.txt': Buffer.from(`\ufeff${tokens}`, 'utf16le') }, /Flickr8k.token.txt is in UTF-16/],
  [
    'Latin-1',
    { 'captions.txt': Buffer.from(`${csv}a.jpg,caf\u00e9\n`, 'latin1') },
    /captions.txt is not in UTF-8: line 6/,
  ],
])('%s is refused', async (_, files, message) => {
  await write(files);
  const error = await loadCaptionData(root).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(DataError);
  expect((error as Error).message).toMatch(message);
});

test('a folder that is missing, empty or a file is refused', async () => {
  await expect(loadCaptionData(join(root, 'none'))).rejects.toThrow(/none is not there/);
  await expect(loadCaptionData(root)).rejects.toThrow(/Found an empty folder/);
  await write({ file: 'x' });
  await expect(loadCaptionData(join(root, 'file'))).rejects.toThrow(/is a file, not a folder/);
});

const shared = join(process.env.CAPTIONING_DATA ?? '../shared/data', 'flickr8k');
test.skipIf(!existsSync(shared))(
  'the real Flickr8k has its official splits, and misses the pictures it should',
  async () => {
    const data = await loadCaptionData(shared);
    expect([data.layout, data.train.size, data.dev.size]).toEqual(['flickr8k', 6000, 1000]);
    const missing = data.problems
      .filter(({ problem }) => problem.startsWith('has captions but no picture'))
      .map(({ where }) => where);
    expect(missing).toContain('2258277193_586949ec62.jpg');
    expect(missing).toContain('2258277193_586949ec62.jpg.1');
    expect(missing.length + data.test.size).toBe(1002);
    expect(data.found.captions).toBe(40_460);
    const inNoSplit = data.problems.filter(({ problem }) => problem.endsWith('and is in no split'));
    expect(inNoSplit.map(({ where }) => where)).toEqual(['2258277193_586949ec62.jpg.1', '2258277193_586949ec62.jpg']);
  },
);
