import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drawShapes } from '../../examples/drawn-shapes/drawShapes';
import { AttentionLSTMCaptioner } from '../../src/attentionLSTMCaptioner';
import { Random } from '../../src/core/random';
import { WordTokenizer } from '../../src/data/wordTokenizer';
import { ConvEncoder } from '../../src/encoders/convEncoder';
import { directory } from '../../src/node/directory';
import { startProgram } from './program';

let folder: string;
const at = (...path: string[]) => join(folder, ...path);

const run = (...args: string[]) => startProgram(args, at('cache')).done;

/** A captioner that has not been trained, for its encoder. */
async function saveEncoder(name: string, seed: number): Promise<void> {
  const encoder = new ConvEncoder({ type: 'conv', imageSize: 16, channels: [4, 5] }, new Random(seed));
  const tokenizer = await WordTokenizer.fromCaptions(['a circle'], { minCount: 1 });
  const sizes = { embeddingSize: 4, hiddenSize: 4, attentionSize: 4 };
  const captioner = AttentionLSTMCaptioner.create({ encoder, tokenizer, ...sizes });
  await captioner.save(directory(at(name)));
  captioner.dispose();
  encoder.dispose();
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'features-command-'));
  await drawShapes(at('shapes'), { pictures: 30, seed: 7 });
  await tf.setBackend('cpu');
  await Promise.all([saveEncoder('one', 1), saveEncoder('other', 2)]);
});
afterAll(() => rm(folder, { recursive: true }));

test('features are made once, and train takes them, flips included, and refuses those of another encoder', async () => {
  const features = ['features', '--data-path', at('shapes'), '--encoder', at('one'), '--output', at('features')];
  const made = await run(...features, '--views', 'plain,flipped', '--splits', 'train,dev');
  expect(made.err).toMatch(/(\d+) pictures in .*, \1 of them new/);
  expect(made.status).toBe(0);
  const files = await readdir(at('features', 'shards'));
  expect((await run(...features, '--views', 'plain,flipped', '--splits', 'train,dev')).err).toContain(' 0 of them new');

  const train = (name: string, encoder: string) => [
    ...['train', '--data-path', at('shapes'), '--model-path', at(name), '--encoder', at(encoder), '--epochs', '2'],
    ...['--hidden-size', '8', '--attention-size', '8', '--embedding-size', '8', '--min-count', '1', '--beam-size', '1'],
    ...['--features-path', at('features'), '--augment', 'flip', '--max-length', '6'],
  ];
  const trained = await run(...train('run', 'one'));
  expect(trained.err).toContain('the captioner is in');
  // All was there: nothing was added.
  expect(await readdir(at('features', 'shards'))).toEqual(files);
  const { options, validations } = JSON.parse(await readFile(at('run', 'history.json'), 'utf8'));
  expect(options.augment).toBe('flip');
  expect(Object.keys(validations[1].figures)).toEqual(expect.arrayContaining(['training loss', 'development loss']));
  expect((await readdir(at('run', 'curves'))).sort()).toEqual(['loss.png', 'loss.svg', 'scores.png', 'scores.svg']);

  const refused = await run(...train('refused', 'other'));
  expect(refused.status).toBe(1);
  expect(refused.err).toContain('were made by another encoder or preprocessing: the weights of the encoder are others');

  const report = await run('report', at('run'), '--output', at('report.html'));
  expect(report.status).toBe(0);
  expect(await readFile(at('report.html'), 'utf8')).toContain('<td>run</td>');
}, 200_000);

test('vocabulary and preview of a data set', async () => {
  const { out, status } = await run('data', 'vocabulary', '--data-path', at('shapes'), '--min-count', '1', '--json');
  expect(status).toBe(0);
  const { splits, sizes } = JSON.parse(out);
  expect(splits.train.unknown).toBe(0);
  expect(sizes[0]).toMatchObject({ minCount: 1, coverage: 1 });
  const preview = ['data', 'preview', '--data-path', at('shapes'), '--output', at('sheet.png'), '--pictures', '2'];
  expect((await run(...preview)).status).toBe(0);
  expect((await sharp(at('sheet.png')).metadata()).width).toBe(10 + 5 * 178 + 440);
  const wrong = await run(...preview, '--augment', 'mirror');
  expect([wrong.status, wrong.err]).toEqual([2, expect.stringContaining("'mirror' is no augmentation")]);
}, 100_000);
