import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { drawShapes } from '../../examples/drawn-shapes/drawShapes';
import { AttentionLSTMCaptioner } from '../../src/attentionLSTMCaptioner';
import { Random } from '../../src/core/random';
import { WordTokenizer } from '../../src/data/wordTokenizer';
import { ConvEncoder } from '../../src/encoders/convEncoder';
import { loadCaptioner } from '../../src/loadCaptioner';
import { DualEncoder } from '../../src/models/dualEncoder';
import { TaskHeads } from '../../src/models/taskHeads';
import { directory } from '../../src/node/directory';
import { TransformerCaptioner } from '../../src/transformerCaptioner';
import { linesOf, type ProgramResult, startProgram } from './program';

await tf.setBackend('cpu');
vi.setConfig({ testTimeout: 240_000 }); // programs of their own, each of which takes some seconds of a processor

let folder: string;
const at = (...path: string[]) => join(folder, ...path);

/** The command on 24 drawings. */
function train(model: string, ...more: string[]): Promise<ProgramResult> {
  const common = ['--batch-size', '8', '--seed', '3', '--encoder', at('begun'), '--json'];
  const args = ['train', '--data-path', at('shapes'), '--model-path', at(model), ...common, ...more];
  return startProgram(args, at('cache')).done;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-captioning-'));
  await drawShapes(at('shapes'), { pictures: 30, seed: 7 });
  await writeFile(at('vectors.txt'), 'red 1 0 0 1\nblue 0 1 0 -1\nzebra 1 1 1 1\n');
  const tokenizer = await WordTokenizer.fromCaptions(['a small red circle'], { minCount: 1 });
  const encoder = new ConvEncoder({ type: 'conv', imageSize: 32, channels: [4, 8, 8] }, new Random(1));
  const sizes = { hiddenSize: 8, attentionSize: 4, embeddingSize: 4 };
  const captioner = AttentionLSTMCaptioner.create({ encoder, tokenizer, ...sizes });
  await captioner.save(directory(at('begun')));
  captioner.dispose();
  encoder.dispose();
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('train', () => {
  test('makes a dual encoder, says what it finds, and goes on', async () => {
    const sizes = ['--hidden-size', '8', '--heads', '2', '--projection-size', '6', '--embedding-size', '4'];
    const begin = ['--model', 'dual-encoder', '--word-vectors', at('vectors.txt'), '--augment', 'flip', ...sizes];
    const first = await train('finder', ...begin, '--epochs', '1');
    expect(first.err).toMatch(/Word vectors for 2 of \d+ words/);
    expect(first.err).toMatch(/epoch 1, loss [\d.]+, text to image recall@1 [\d.]+, text to image recall@10 [\d.]+/);
    expect(first.status).toBe(0);
    const [told] = linesOf(first.out);
    expect(told['text to image recall@10']).toBe(1); // of three pictures
    expect(told['image to text medianRank']).toBeGreaterThanOrEqual(1);
    const card = await readFile(at('finder', 'README.md'), 'utf8');
    expect(card).toMatch(/# A dual encoder of pictures and texts trained on/);
    expect(card, 'options of other models').not.toMatch(/doublyStochastic|attentionSize|maskShare/);
    const rest = await train('finder', '--model', 'dual-encoder', '--resume', '--epochs', '2');
    expect(linesOf(rest.out).map(({ epoch }) => epoch)).toEqual([2]);
    const model = await DualEncoder.load(directory(at('finder')));
    const vectors = await model.embedTexts(['a red circle']);
    expect(vectors.shape).toEqual([1, 6]);
    vectors.dispose();
    model.dispose();

    const of = ['evaluate', '--data-path', at('shapes'), '--model-path', at('finder')];
    const evaluated = await startProgram(of, at('cache')).done;
    expect(evaluated.out).toMatch(/text to image +image to text\nrecall@1 +[\d.]+ +[\d.]+\n/);
    expect(evaluated.out).toMatch(/3 pictures of the test split\.\n$/);
    expect(evaluated.status).toBe(0);
    const asCaptioner = await startProgram([...of, '--beam-size', '3'], at('cache')).done;
    expect(asCaptioner.err).toMatch(/--beam-size belongs to captions, but the model is a dual encoder/);
    expect(asCaptioner.status).toBe(2);
  });

  test('teaches a transformer captions, masked words, matching and contrast together, and keeps the heads', async () => {
    const sizes = ['--hidden-size', '8', '--heads', '2', '--layers', '1', '--projection-size', '6'];
    const tasks = ['--model', 'transformer', '--objective', 'caption+mlm:0.5+itm+itc:0.2', '--captions-per-image', '2'];
    const first = await train('tasks', ...tasks, ...sizes, '--epochs', '1', '--mask-share', '0.3');
    expect(first.err).toMatch(/the captioner is in/);
    expect(first.status).toBe(0);
    const captioner = await TransformerCaptioner.load(directory(at('tasks')));
    const heads = await TaskHeads.load(directory(at('tasks')), captioner);
    expect(heads.config.tasks).toEqual(['mlm', 'itm', 'itc']);
    heads.dispose();
    captioner.dispose();
    const rest = await train('tasks', '--model', 'transformer', '--resume', '--epochs', '2');
    expect(linesOf(rest.out).map(({ epoch }) => epoch)).toEqual([2]);
  });

  test.each([
    ['lstm', ['--model', 'lstm', '--injection', 'pre', '--cell', 'gru', '--tied'], /1 GRU layer of 8/],
    ['hard', ['--attention', 'hard', '--attention-size', '4'], /kind hard, size 4, 1 LSTM layer/],
    ['up-down', ['--look', 'between', '--attention', 'scaled-dot', '--attention-size', '4'], /2 LSTM layers of 8/],
  ])('makes a captioner of other parts: %s', async (name, parts, described) => {
    const first = await train(name, ...parts, '--hidden-size', '8', '--embedding-size', '8', '--epochs', '1');
    expect(first.err).toMatch(/the captioner is in/);
    expect(first.status).toBe(0);
    expect(await readFile(at(name, 'README.md'), 'utf8')).toMatch(described);
    (await loadCaptioner(directory(at(name)))).dispose();
  });

  test.each([
    ['an injection of a captioner with attention', ['--injection', 'pre'], /--injection belongs to --model lstm/],
    ['attention of one without', ['--model', 'lstm', '--attention', 'dot'], /--attention belongs to --model/],
    ['a task that is not known', ['--objective', 'caption+vqa'], /'vqa'.*caption, mlm, itm, itc/],
    ['tasks without a transformer', ['--objective', 'caption+mlm'], /give --model transformer/],
    ['another objective of a dual encoder', ['--model', 'dual-encoder', '--objective', 'caption'], /learns itc alone/],
    [
      'an option of captioners',
      ['--model', 'dual-encoder', '--label-smoothing', '0.1'],
      /--label-smoothing belongs to/,
    ],
    ['a share of words without masks', ['--mask-share', '0.2'], /--mask-share belongs to masked words/],
    [
      'hard negatives without contrast',
      ['--model', 'transformer', '--objective', 'caption+itm', '--negatives', 'hard'],
      /drawn by the contrast/,
    ],
    ['a weight against nothing', ['--objective', 'caption:2'], /nothing beside it/],
  ])('refuses %s', async (_, more, message) => {
    const { status, err } = await train('unused', ...more);
    expect(err).toMatch(message);
    expect(status).toBe(2);
  });
});
