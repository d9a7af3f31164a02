import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { drawShapes } from '../../examples/drawn-shapes/drawShapes';
import { AttentionLSTMCaptioner } from '../../src/attentionLSTMCaptioner';
import { Random } from '../../src/core/random';
import { WordTokenizer } from '../../src/data/wordTokenizer';
import { ConvEncoder } from '../../src/encoders/convEncoder';
import { readSafetensors } from '../../src/io/safetensors';
import { directory } from '../../src/node/directory';
import { startProgram } from './program';

let folder: string;
const at = (...path: string[]) => join(folder, ...path);

const start = (args: readonly string[]) => startProgram(args, at('cache'));
const run = (...args: string[]) => start(args).done;

/** A training that takes seconds: 24 drawings, a tiny encoder and decoder. */
const training = (model: string, ...more: string[]) => [
  ...['train', '--data-path', at('shapes'), '--model-path', at(model), '--encoder', at('tiny'), '--hidden-size', '16'],
  ...[
    '--attention-size',
    '8',
    '--embedding-size',
    '8',
    '--batch-size',
    '8',
    '--min-count',
    '1',
    '--seed',
    '3',
    ...more,
  ],
];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-captioning-'));
  await drawShapes(at('shapes'), { pictures: 30, seed: 7 });
  await tf.setBackend('cpu');
  const tokenizer = await WordTokenizer.fromCaptions(['a red circle', 'a blue square'], { minCount: 1 });
  const encoder = new ConvEncoder({ type: 'conv', imageSize: 32, channels: [4, 8, 8] }, new Random(1));
  const sizes = { hiddenSize: 8, attentionSize: 4, embeddingSize: 4, generation: { maxLength: 6 } };
  const captioner = AttentionLSTMCaptioner.create({ encoder, tokenizer, ...sizes });
  await captioner.save(directory(at('tiny')));
  captioner.dispose();
  encoder.dispose();
  await mkdir(at('pictures'));
  await mkdir(at('empty'));
  for (const name of ['b', 'a'])
    await sharp({ create: { width: 40, height: 30, channels: 3, background: name === 'a' ? 'red' : 'blue' } })
      .png()
      .toFile(at('pictures', `${name}.png`));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe.concurrent('wrong use and bad input', () => {
  const generate = (...more: string[]) => [
    'generate',
    '--model-path',
    at('tiny'),
    '--image-path',
    at('pictures', 'a.png'),
    ...more,
  ];

  test.each([
    ['a beam of nothing', () => generate('--beam-size', '0'), /beam-size.*whole number of at least 1/],
    ['a negative temperature', () => generate('--temperature', '-1'), /temperature.*above 0/],
    ['captions of no words', () => generate('--max-length', '0'), /max-length.*at least 1/],
    ['a beam that samples', () => generate('--beam-size', '3', '--top-k', '5'), /top-k samples; --beam-size belongs/],
    ['groups that are sampled', () => generate('--groups', '2', '--top-p', '0.9'), /top-p samples; --groups belongs/],
    [
      'a contrastive beam',
      () => generate('--penalty-alpha', '0.6', '--beam-size', '2'),
      /contrastive search; --beam-size/,
    ],
    ['a word that is not known', () => generate('--forced-words', 'zebra'), /does not know "zebra"/],
    ['a seed for a search', () => generate('--seed', '1'), /belongs to sampling/],
    ['an unknown option', () => generate('--beams', '3'), /unknown option/],
    ['an unknown command', () => ['caption'], /unknown command/],
    ['no picture named', () => ['generate'], /image-path/],
    ['a learning rate of zero', () => training('unused', '--learning-rate', '0'), /learning-rate.*above 0/],
    ['a rate for a frozen encoder', () => training('unused', '--encoder-learning-rate', '1e-4'), /--fine-tune-from/],
    ['training into a folder with a captioner', () => training('tiny'), /holds a training already.*--resume/s],
  ])('%s is wrong use', async (_, args, message) => {
    const { status, out, err } = await run(...args());
    expect(err).toMatch(message);
    expect(err).not.toMatch(/\n\s+at /);
    expect(status).toBe(2);
    expect(out).toBe('');
  });

  test.each([
    [
      'a picture that is not there',
      () => ['generate', '--image-path', at('none.png')],
      /no picture or folder at .*none\.png/,
    ],
    ['a folder without pictures', () => ['generate', '--image-path', at('empty')], /holds no pictures/],
    [
      'a model that is not there',
      () => ['generate', '--image-path', at('pictures'), '--model-path', at('none')],
      /config\.json/,
    ],
    ['data that is not there', () => ['evaluate', '--data-path', at('none'), '--model-path', at('tiny')], /none/],
    ['an empty data folder', () => ['data', 'check', '--data-path', at('empty')], /empty/],
    [
      'an encoder that is not there',
      () => [...training('unused2'), '--encoder', at('none')],
      /neither an encoder's name/,
    ],
  ])('%s fails', async (_, args, message) => {
    const { status, err } = await run(...args());
    expect(err).toMatch(message);
    expect(err).not.toMatch(/\n\s+at /);
    expect(status).toBe(1);
  });

  test('a model whose weights were cut short fails, and says which file', async () => {
    await cp(at('tiny'), at('cut'), { recursive: true });
    const weights = await readFile(at('cut', 'model.safetensors'));
    await writeFile(at('cut', 'model.safetensors'), weights.subarray(0, weights.length - 100));
    const { status, err } = await run('generate', '--model-path', at('cut'), '--image-path', at('pictures'));
    expect(err).toMatch(/model\.safetensors.*cut/s);
    expect(status).toBe(1);
  });

  test('pictures that do not decode are named, the others captioned, and the status says so', async () => {
    await cp(at('pictures'), at('mixed'), { recursive: true });
    await writeFile(at('mixed', 'aa.jpg'), 'not a picture');
    const { status, out, err } = await run(
      'generate',
      '--json',
      '--model-path',
      at('tiny'),
      '--image-path',
      at('mixed'),
    );
    const results = JSON.parse(out);
    expect(results.map(({ image }: { image: string }) => image)).toEqual(
      ['a.png', 'aa.jpg', 'b.png'].map((name) => at('mixed', name)),
    );
    expect(results[1].error).toMatch(/aa\.jpg does not decode/);
    expect(results[2].text).toBeTypeOf('string');
    expect(err).toMatch(/1 of 3 pictures/);
    expect(status).toBe(1);
  });
});

describe.concurrent('generate', () => {
  test('prints an array in input order, whatever joins the words of an option', async () => {
    const pictures = ['b', 'a'].map((name) => at('pictures', `${name}.png`));
    const { status, out } = await run(
      'generate',
      '--json',
      '--beam_size=2',
      '--model_path',
      at('tiny'),
      '--image_path',
      ...pictures,
    );
    expect(status).toBe(0);
    const results = JSON.parse(out);
    expect(results.map(({ image }: { image: string }) => image)).toEqual(pictures);
    for (const result of results) {
      expect(Object.keys(result).sort()).toEqual(['alternatives', 'image', 'logProbs', 'score', 'text', 'words']);
      expect(result.text.split(' ').filter(Boolean)).toEqual(result.words);
      expect(result.alternatives).toHaveLength(1);
    }
  });

  test('draws the attention of every picture', async () => {
    const { status } = await run(
      'generate',
      '--model-path',
      at('tiny'),
      '--image-path',
      at('pictures'),
      '--attention',
      at('drawn', 'out.png'),
    );
    expect(status).toBe(0);
    expect((await readdir(at('drawn'))).sort()).toEqual(['out-a.png', 'out-b.png']);
    expect((await sharp(at('drawn', 'out-a.png')).metadata()).format).toBe('png');
  });
});

describe('train', () => {
  const weights = async (model: string) => {
    const { tensors } = readSafetensors(await readFile(at(model, 'model.safetensors')));
    return new Map([...tensors].map(([name, { data }]) => [name, Buffer.from(data).toString('base64')]));
  };

  test('interrupted and resumed gives the model of the run without the break', { timeout: 120_000 }, async () => {
    const whole = run(...training('whole', '--epochs', '3', '--json'));
    const { child, done } = start(training('broken', '--epochs', '3'));
    child.stderr!.on('data', (chunk) => {
      if (`${chunk}`.startsWith('epoch 1, loss')) child.kill('SIGINT');
    });
    const stopped = await done;
    expect(stopped.err).toMatch(/Saved after step .*--resume/s);
    expect(stopped.status).toBe(130);
    const { status: refused, err } = await run(
      ...training('broken', '--epochs', '3', '--resume', '--hidden-size', '32'),
    );
    expect([refused, err]).toEqual([2, expect.stringMatching(/hiddenSize 16, not 32/)]);
    const resumed = await run(...training('broken', '--epochs', '3', '--resume'));
    expect(resumed.status, resumed.err).toBe(0);
    const { status, out, err: log } = await whole;
    expect(status, log).toBe(0);
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).epoch),
    ).toEqual([1, 2, 3]);
    expect(await weights('broken')).toEqual(await weights('whole'));

    const again = await run(...training('whole', '--epochs', '3', '--resume'));
    expect([again.status, again.err]).toEqual([0, expect.stringMatching(/Nothing to do/)]);

    const evaluated = await run(
      'evaluate',
      '--model-path',
      at('whole'),
      '--data-path',
      at('shapes'),
      '--split',
      'dev',
      '--output',
      at('scores.json'),
    );
    expect(evaluated.status, evaluated.err).toBe(0);
    const report = JSON.parse(await readFile(at('scores.json'), 'utf8'));
    expect(report.captions).toHaveLength(report.pictures);
    expect(Object.keys(report.corpus)).toEqual(expect.arrayContaining(['BLEU-4', 'ROUGE-L', 'CIDEr']));
  });
});
