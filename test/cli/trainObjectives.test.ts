import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { drawShapes } from '../../examples/drawn-shapes/drawShapes';
import { AttentionLSTMCaptioner } from '../../src/attentionLSTMCaptioner';
import { Random } from '../../src/core/random';
import { WordTokenizer } from '../../src/data/wordTokenizer';
import { ConvEncoder } from '../../src/encoders/convEncoder';
import { directory } from '../../src/node/directory';
import { linesOf, type ProgramResult, startProgram } from './program';

vi.setConfig({ testTimeout: 240_000 }); // programs of their own, each of which takes some seconds of a processor

let folder: string;
const at = (...path: string[]) => join(folder, ...path);

/** The command on 24 drawings. */
function train(model: string, ...more: string[]): Promise<ProgramResult> {
  const batches = ['--batch-size', '8', '--seed', '3', '--captions-per-image', '2'];
  const args = ['train', '--data-path', at('shapes'), '--model-path', at(model), ...batches, '--json', ...more];
  return startProgram(args, at('cache')).done;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tfjs-captioning-'));
  await drawShapes(at('shapes'), { pictures: 30, seed: 7 });
  await tf.setBackend('cpu');
  const words = ['a small red circle on the left', 'a big blue square on the right', 'there is one green triangle'];
  const tokenizer = await WordTokenizer.fromCaptions(words, { minCount: 1 });
  const encoder = new ConvEncoder({ type: 'conv', imageSize: 32, channels: [4, 8, 8] }, new Random(1));
  const sizes = { hiddenSize: 8, attentionSize: 4, embeddingSize: 4, generation: { maxLength: 6 } };
  const captioner = AttentionLSTMCaptioner.create({ encoder, tokenizer, ...sizes });
  await captioner.save(directory(at('begun')));
  captioner.dispose();
  encoder.dispose();
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe.concurrent('train --objective', () => {
  test('trains by rewards from a captioner, validates within epochs, and goes on with the same objective', async () => {
    const reward = ['--from', at('begun'), '--objective', 'scst:cider+0.5*bleu', '--sample-temperature', '0.8'];
    const first = await train('rewarded', ...reward, '--epochs', '1', '--validate-every', '2', '--max-length', '7');
    expect(first.err).toMatch(/epoch 1, step 2, reward \d.*CIDEr/);
    expect(first.status).toBe(0);
    expect(linesOf(first.out).map(({ epoch, step }) => [epoch, step])).toEqual([
      [1, 2],
      [1, 3],
    ]);
    for (const line of linesOf(first.out)) expect(line.reward).toBeGreaterThanOrEqual(0);
    const config = JSON.parse(await readFile(at('rewarded', 'config.json'), 'utf8'));
    expect(config.generation).toEqual({ beamSize: 3, lengthPenalty: 0.9, maxLength: 7 });
    expect(config.decoder.hiddenSize).toBe(8);
    const card = await readFile(at('rewarded', 'README.md'), 'utf8');
    expect(card).toMatch(/\| objective \| scst:cider\+0\.5\*bleu \|/);
    expect(card, 'what the captioner brought along is no option of this run').not.toMatch(/hiddenSize|labelSmoothing/);

    const other = await train('rewarded', '--resume', '--objective', 'scst:cider', '--epochs', '2');
    expect(other.err).toMatch(/was started with objective scst:cider\+0\.5\*bleu, not scst:cider/);
    const rest = await train('rewarded', '--resume', '--epochs', '2', '--max-length', '7');
    expect(linesOf(rest.out).map(({ epoch, step, learningRate }) => [epoch, step, learningRate <= 5e-5])).toEqual([
      [2, 6, true],
    ]);
  });

  test('distils teachers, with own words read and averaged weights saved', async () => {
    const learning = ['--teachers', at('begun'), '--distillation-weight', '0.7', '--scheduled-sampling', '0.5'];
    const { status, err, out } = await train(
      'student',
      ...['--from', at('begun'), '--epochs', '2', '--averaging', '0.9', ...learning],
    );
    expect(err).toMatch(/the captioner is in /);
    expect(status).toBe(0);
    expect(linesOf(out)).toHaveLength(2);
    expect(linesOf(out)[0]).not.toHaveProperty('reward');
  });

  test.each([
    ['an unknown objective', ['--objective', 'rl'], /--objective is rl but should be caption, or scst:/],
    ['an unknown reward', ['--objective', 'scst:spice'], /'scst:spice'|'spice' cannot be read/],
    ['rewards without a beginning', ['--objective', 'scst:cider'], /begins from a captioner.*--from/],
    ['a size beside a captioner', ['--from', 'x', '--hidden-size', '9'], /--hidden-size does not go with --from/],
    ['a baseline without rewards', ['--baseline', 'greedy'], /--baseline belongs to self-critical/],
    ['an unknown baseline', ['--baseline', 'none'], /should be others, greedy or beam/],
    ['a share without teachers', ['--distillation-weight', '0.3'], /changes nothing without teachers/],
    [
      'rewards and label smoothing',
      ['--from', 'x', '--objective', 'scst:cider', '--label-smoothing', '0.1'],
      /--label-smoothing belongs to learning from true captions/,
    ],
  ])('%s is wrong use', async (_, more, message) => {
    const { status, err } = await train('unused', ...more);
    expect(err).toMatch(message);
    expect(status).toBe(2);
  });
});
