import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { drawShapes } from '../../examples/drawn-shapes/drawShapes';
import { Random } from '../../src/core/random';
import { WordTokenizer } from '../../src/data/wordTokenizer';
import { ConvEncoder } from '../../src/encoders/convEncoder';
import { LSTMCaptioner } from '../../src/lstmCaptioner';
import { directory } from '../../src/node/directory';
import { startProgram } from './program';

vi.setConfig({ testTimeout: 240_000 }); // programs of their own, each of which takes some seconds of a processor

let folder: string;
const at = (...path: string[]) => join(folder, ...path);
const train = (...args: string[]) =>
  startProgram(
    ['train', '--batch-size', '8', '--epochs', '1', '--from', at('begun'), '--model', 'lstm', ...args],
    at('cache'),
  ).done;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-captioning-'));
  await drawShapes(at('shapes'), { pictures: 20, seed: 7 });
  await drawShapes(at('others'), { pictures: 40, seed: 8 });
  await tf.setBackend('cpu');
  const tokenizer = await WordTokenizer.fromCaptions(['a small red circle on the left'], { minCount: 1 });
  const encoder = new ConvEncoder({ type: 'conv', imageSize: 32, channels: [4, 8] }, new Random(1));
  const captioner = LSTMCaptioner.create({ encoder, tokenizer, hiddenSize: 8, embeddingSize: 4, dropout: 0.3 });
  await captioner.save(directory(at('begun')));
  captioner.dispose();
  encoder.dispose();
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe.concurrent('train --data-path A --data-path B', () => {
  test('learns from both by their weights, is validated on the first, and leaves out what that is evaluated on', async () => {
    const data = ['--data-path', at('shapes'), '--data-path', at('others'), '--data-weights', '1,0.5'];
    const { status, err } = await train(...data, '--model-path', at('mixed'), '--locked-dropout');
    expect(err).toMatch(/shapes: \w+, \d+ training pictures, weight 1\n/);
    expect(err).toMatch(/others: \w+, \d+ training pictures, weight 0\.5; \d+ left out that .*shapes is evaluated on/);
    expect(err).toMatch(/Validated on the development pictures of .*shapes alone/);
    expect(status).toBe(0);
    const card = await readFile(at('mixed', 'README.md'), 'utf8');
    expect(card).toMatch(/\| dataWeights \| 1,0\.5 \|/);
    expect(card).toMatch(/\| lockedDropout \| true \|/);
    const [training, left] = [/others: \w+, (\d+) training/, /(\d+) left out/].map((found) =>
      Number(found.exec(err)![1]),
    );
    const alone = await train('--data-path', at('others'), '--model-path', at('alone'));
    expect(alone.err).toContain(`, ${training! + left!} training,`);
    expect(left).toBeGreaterThan(0);
    const resumed = await train(...data.slice(0, 5), '2,1', '--model-path', at('mixed'), '--resume', '--epochs', '2');
    expect(resumed.err).toMatch(/was started with dataWeights 1,0\.5, not 2,1/);
    expect(resumed.status).toBe(2);
  });

  test.each<[RegExp, string[]]>([
    [/--data-weights changes nothing with one data set/, ['--data-weights', '1']],
    [/has 1 weights for 2 data sets/, ['--data-path', 'B', '--data-weights', '1']],
    [/--data-path names a folder twice/, ['--data-path', 'A']],
    [/--layout is said of one folder/, ['--data-path', 'B', '--layout', 'csv']],
    [/numbers above 0/, ['--data-path', 'B', '--data-weights', '1,x']],
  ])('%s', async (message, more) => {
    const { status, err } = await train('--data-path', 'A', '--model-path', at('none'), ...more);
    expect(err).toMatch(message);
    expect(status).toBe(2);
  });
});
