import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { scoreCommand } from '../../src/cli/score';
import { DataError, UsageError } from '../../src/core/errors';

let folder: string;
let printed: string;
let warned: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'score-'));
  [printed, warned] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    warned += text;
    return true;
  });
});

afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

const predictions = [
  { image_id: 7, caption: 'a dog runs on grass' },
  { image_id: 9, caption: 'two cats sleep' },
];
const references = {
  images: [{ id: 7 }, { id: 9 }],
  annotations: [
    { id: 1, image_id: 7, caption: 'A dog runs on the grass.' },
    { id: 2, image_id: 9, caption: 'Two cats are asleep.' },
    { id: 3, image_id: 7, caption: 'The dog is running.' },
  ],
};

async function run(p: unknown, r: unknown, ...options: string[]): Promise<void> {
  const [pFile, rFile] = [join(folder, 'p.json'), join(folder, 'r.json')];
  for (const [file, value] of [
    [pFile, p],
    [rFile, r],
  ] as const)
    await writeFile(file, typeof value === 'string' ? value : JSON.stringify(value));
  await scoreCommand().parseAsync(['node', 'score', '--predictions', pFile, '--references', rFile, ...options]);
}

test('prints a table for people and writes JSON for programs', async () => {
  const output = join(folder, 'scores.json');
  await run(predictions, references, '--output', output);
  expect(printed).toMatch(/BLEU-4 +0\.\d{4}\n/);
  expect(printed).toMatch(/CIDEr +\d\.\d{4}\n/);
  expect(printed).toContain('Tokenizer: PTB');
  expect(printed).toMatch(/METEOR +0\.\d{4}\n/);
  expect(printed).toContain('Split: not named.');
  const scores = JSON.parse(await readFile(output, 'utf8'));
  expect(scores.corpus['BLEU-1']).toBeGreaterThan(0.5);
  expect(scores.segments.map(({ id }: { id: number }) => id)).toEqual([7, 9]);
  expect(await readdir(folder), 'nothing is left beside the output').toHaveLength(3);
});

test('--json prints JSON and nothing else, with --details the counts', async () => {
  await run(predictions, references, '--json', '--details');
  expect(JSON.parse(printed).segments[0]['BLEU statistics'].candidateLength).toBe(5);
});

test('reads JSONL, with one caption of an image or several in a line', async () => {
  const lines = (rows: unknown[]) => `${rows.map((row) => JSON.stringify(row)).join('\n\n')}\n`;
  const both = [
    { image_id: 7, captions: ['A dog runs on the grass.', 'The dog is running.'] },
    { image_id: 9, caption: 'Two cats are asleep.' },
  ];
  await run(predictions, references, '--json');
  const { predictions: _, references: __, ...expected } = JSON.parse(printed);
  printed = '';
  const [p, r] = [join(folder, 'p.jsonl'), join(folder, 'r.ndjson')];
  await Promise.all([writeFile(p, lines(predictions)), writeFile(r, lines(both))]);
  await scoreCommand().parseAsync(['node', 'score', '--predictions', p, '--references', r, '--json']);
  expect(JSON.parse(printed)).toEqual({ predictions: p, references: r, ...expected });
  await writeFile(p, `${JSON.stringify(predictions[0])}\n{ "image_id": 9,`);
  const damaged = scoreCommand().parseAsync(['node', 'score', '--predictions', p, '--references', r]);
  await expect(damaged).rejects.toThrow(/Line 2 of .*p\.jsonl is not JSON/);
});

test('only the metrics asked for, and the split in the result', async () => {
  await run(predictions, references, '--json', '--metrics', 'cider', 'bleu', '--split', 'dev');
  const { corpus, settings } = JSON.parse(printed);
  expect(Object.keys(corpus)).toEqual(['CIDEr', 'BLEU-1', 'BLEU-2', 'BLEU-3', 'BLEU-4']);
  expect(settings.split).toBe('dev');
});

test('images without a counterpart are named, or left out with a warning', async () => {
  const more = [...predictions, { image_id: 11, caption: 'a bus' }];
  await expect(run(more, references)).rejects.toThrow(/Image 11 of .*p\.json has no references/);
  await expect(run(predictions.slice(1), references)).rejects.toThrow(/Image 7 of .*r\.json has no caption/);
  await run(more, references, '--partial', '--json');
  expect(JSON.parse(printed).settings.captions).toBe(2);
  expect(warned).toMatch(/Image 11/);
  await expect(run(more.slice(2), references, '--partial')).rejects.toBeInstanceOf(UsageError);
});

test('files that are something else are named', async () => {
  const refuse = (p: unknown, r: unknown, message: RegExp) => Promise.all([expect(run(p, r)).rejects.toThrow(message)]);
  await refuse([], references, /p\.json is empty/);
  await refuse('{ "a": ', references, /p\.json is not JSON/);
  await refuse(references, references, /p\.json is JSON of another form/);
  await refuse(predictions, predictions, /r\.json is JSON of another form/);
  await refuse([...predictions, predictions[0]], references, /more than one caption of image 7/);
  await refuse([{ image_id: 7, caption: 3 }], references, /caption of image 7 .* is no string/);
  await refuse([{ caption: 'a' }], references, /Entry 0 of .* has no image_id/);
  const missing = scoreCommand().parseAsync([
    'node',
    'score',
    '--predictions',
    join(folder, 'x.json'),
    '--references',
    'y',
  ]);
  await expect(missing).rejects.toThrow(/There is no file .*x\.json/);
  await expect(run(predictions, references, '--output', join(folder, 'none', 'x.json'))).rejects.toBeInstanceOf(
    DataError,
  );
});
