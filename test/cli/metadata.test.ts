import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { drawPages } from '../../examples/wikipedia/drawPages';
import { AttentionLSTMCaptioner } from '../../src/attentionLSTMCaptioner';
import { knownOf, readMetadataFile } from '../../src/cli/metadataFile';
import { assignment, fieldNames } from '../../src/cli/metadataOptions';
import { Random } from '../../src/core/random';
import { WordTokenizer } from '../../src/data/wordTokenizer';
import { ConvEncoder } from '../../src/encoders/convEncoder';
import { directory } from '../../src/node/directory';
import { type ProgramResult, startProgram } from './program';

await tf.setBackend('cpu');
vi.setConfig({ testTimeout: 240_000 }); // programs of their own, each of which takes some seconds of a processor

let folder: string;
const at = (...path: string[]) => join(folder, ...path);
const command = (...args: string[]): Promise<ProgramResult> => startProgram(args, at('cache')).done;

const sizes = ['--model', 'transformer', '--hidden-size', '8', '--heads', '2', '--layers', '1', '--min-count', '1'];
const train = (model: string, ...more: string[]) =>
  command(
    'train',
    '--data-path',
    at('pages'),
    '--model-path',
    at(model),
    '--encoder',
    at('begun'),
    '--epochs',
    '1',
    ...more,
  );

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-captioning-'));
  await drawPages(at('pages'), { pictures: 20, seed: 7 });
  const tokenizer = await WordTokenizer.fromCaptions(['a small red circle'], { minCount: 1 });
  const encoder = new ConvEncoder({ type: 'conv', imageSize: 16, channels: [4, 4] }, new Random(1));
  const small = { hiddenSize: 8, attentionSize: 4, embeddingSize: 4 };
  const captioner = AttentionLSTMCaptioner.create({ encoder, tokenizer, ...small });
  await captioner.save(directory(at('begun')));
  captioner.dispose();
  encoder.dispose();
  for (const name of ['a.png', 'b.png'])
    await sharp({ create: { width: 20, height: 20, channels: 3, background: 'red' } }).toFile(at(name));
  await writeFile(at('pages.csv'), 'image,page_title,other\na.png,"Zubrowka, New",1\n');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a captioner that reads metadata', () => {
  test('is trained, says in its config what it reads, is evaluated with it, and captions pictures with it', async () => {
    const trained = await train(
      'reads',
      ...sizes,
      '--metadata',
      'page_title,section_title',
      '--metadata-dropout',
      '0.2',
    );
    expect(trained.err).toMatch(/the captioner is in/);
    expect(trained.status).toBe(0);
    const config = JSON.parse(await readFile(at('reads', 'config.json'), 'utf8'));
    expect(config.metadata).toEqual({ fields: ['page_title', 'section_title'], maxTokens: 24, maxNames: 4 });
    expect(await readFile(at('reads', 'README.md'), 'utf8')).toMatch(/\| metadataDropout \| 0.2 \|/);

    const evaluated = await command('evaluate', '--data-path', at('pages'), '--model-path', at('reads'), '--json');
    expect(evaluated.err).toMatch(/2 of the 2 pictures of the test split tell page_title, section_title/);
    expect(JSON.parse(evaluated.out).captions).toHaveLength(2);

    const of = ['--model-path', at('reads'), '--image-path', at('a.png'), at('b.png'), '--max-length', '4', '--json'];
    const told = await command(
      'generate',
      ...of,
      '--metadata',
      'page_title=Ruritania',
      '--metadata-file',
      at('pages.csv'),
    );
    expect(told.err).toMatch(/pages\.csv says nothing about 1 of 2 pictures/);
    expect(told.status).toBe(0);
    expect(JSON.parse(told.out)).toHaveLength(2);
    const strange = await command('generate', ...of, '--metadata', 'author=Otto');
    expect(strange.err).toMatch(/The captioner reads page_title, section_title, not author/);
    expect(strange.status).toBe(2);
  });

  test.each([
    ['of what no picture has', [...sizes, '--metadata', 'title'], /title, which none of the first 16 .* page_title, /],
    ['with a captioner that cannot read it', ['--metadata', 'page_title'], /--metadata belongs to --model transformer/],
    ['a share without it', [...sizes, '--metadata-dropout', '0.1'], /changes nothing without metadata/],
    [
      'words of its own',
      [...sizes, '--metadata', 'page_title', '--scheduled-sampling', '0.1'],
      /does not go with --metadata/,
    ],
  ])('is refused: %s', async (_, more, message) => {
    const { status, err } = await train('unused', ...more);
    expect(err).toMatch(message);
    expect(status).toBe(2);
  });

  test('metadata for one that was not trained with it is refused, and so is keeping it from one', async () => {
    const of = ['--model-path', at('begun')];
    const generated = await command('generate', ...of, '--image-path', at('a.png'), '--metadata', 'page_title=x');
    expect(generated.err).toMatch(/was not trained to read metadata/);
    expect(generated.status).toBe(2);
    const evaluated = await command('evaluate', ...of, '--data-path', at('pages'), '--no-metadata');
    expect(evaluated.err).toMatch(/--no-metadata changes nothing/);
    expect(evaluated.status).toBe(2);
  });
});

test('names and values', () => {
  expect(fieldNames('page_title, section_title')).toEqual(['page_title', 'section_title']);
  expect(() => fieldNames('a,,b')).toThrow(/commas/);
  expect(assignment('title = A = B', { x: 'y' })).toEqual({ x: 'y', title: 'A = B' });
  expect(() => assignment('title')).toThrow(/name and a value/);
  expect(() => assignment('title=B', { title: 'A' })).toThrow(/twice/);
});

describe('a file with metadata', () => {
  test.each([
    ['rows.csv', 'file_name,title\nx/tower.jpg,"A, B"\n'],
    ['rows.tsv', 'title\tfile_name\nA, B\tx/tower.jpg\n'],
    ['rows.json', '[{ "image": "x/tower.jpg", "title": "A, B" }]'],
    ['rows.jsonl', '{ "image": "x/tower.jpg", "title": "A, B" }\n\n'],
  ])('%s', async (name, text) => {
    await writeFile(at(name), text);
    const table = await readMetadataFile(at(name));
    expect(table.names).toEqual(['title']);
    expect(knownOf(table, 'x/tower.jpg')).toEqual({ title: 'A, B' });
    expect(knownOf(table, 'tower.jpg')).toBeUndefined();
  });

  test('a picture is found by the name of its file', async () => {
    const table = await readMetadataFile(at('pages.csv'));
    expect(knownOf(table, '/some/where/a.png')).toEqual({ page_title: 'Zubrowka, New', other: '1' });
  });

  test.each([
    ['two.csv', 'image,title\na,b\na,c\n', /two rows for a/],
    ['none.csv', 'title\nb\n', /no column that names pictures.*title/],
    ['fields.csv', 'image,title\na\n', /line 2, has 1 fields but should have 2/],
    ['empty.csv', 'image,title\n', /has no rows/],
    ['object.json', '{ "a": 1 }', /should be a list of objects/],
    ['broken.json', '[', /is not JSON/],
    ['what.txt', 'x', /should be a .csv/],
    ['nameless.jsonl', '{ "image": "", "title": "x" }', /row without a picture/],
  ])('%s is refused', async (name, text, message) => {
    await writeFile(at(name), text);
    await expect(readMetadataFile(at(name))).rejects.toThrow(message);
  });
});
