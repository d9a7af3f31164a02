import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { Random } from '../../src/core/random';
import { createParams, stateDict } from '../../src/core/spec';
import { disposeTree } from '../../src/core/tree';
import { gpt2Spec, readGPT2Config } from '../../src/decoders/gpt2';
import { saveStateDict } from '../../src/io/saveStateDict';
import { visionEncoderDecoderSpec } from '../../src/models/visionEncoderDecoder';
import { readVisionEncoderDecoderConfig } from '../../src/models/visionEncoderDecoderConfig';
import { directory } from '../../src/node/directory';

await tf.setBackend('cpu');
// Of programs, each of which takes some seconds of a processor.
vi.setConfig({ testTimeout: 300_000 });

const root = join(import.meta.dirname, '../..');
const goldens = join(root, 'test/goldens/models');
const script = join(root, 'examples/fine-tune-pretrained/fineTune.js');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fine-tune-'));
  for (const model of ['blip_caption', 'ved_vit_bert', 'git', 'blip2_opt', 'clip'])
    await cp(join(goldens, model), join(folder, model), { recursive: true });
  const size = { height: 32, width: 32 };
  for (const model of ['git', 'blip2_opt', 'clip'])
    await writeJSON(model, 'preprocessor_config.json', { image_processor_type: 'BlipImageProcessor', size });
  await writeVitGPT2('ved_vit_gpt2');
  await writeGPT2('gpt2');
});
afterAll(() => rm(folder, { recursive: true }));

// Rates are high: these models are small, and their weights were drawn.
test.each([
  ['BLIP', ['blip_caption', '--learning-rate', '1e-2']],
  ['BLIP with all of its weights', ['blip_caption', '--train', 'all', '--learning-rate', '5e-3']],
  ['a vision transformer with BERT', ['ved_vit_bert', '--learning-rate', '3e-3']],
  ['a vision transformer with GPT-2', ['ved_vit_gpt2', '--learning-rate', '1e-2']],
  ['GIT', ['git', '--learning-rate', '1e-2']],
  ['BLIP-2', ['blip2_opt', '--learning-rate', '1e-2']],
  ['CLIP before GPT-2', ['gpt2', '--clip', 'clip', '--learning-rate', '1e-2']],
])('%s learns four captions by heart, and says them when it was saved and loaded', async (_, args) => {
  const { exitCode, printed } = await fineTune(args);
  expect(printed).toContain('All captions are known by heart.');
  expect(printed).toMatch(/^cat\.jpg: a striped cat$/m);
  expect(printed).toMatch(/saved-\S+ says the same\.$/m);
  expect(exitCode).toBe(0);
});

test('adapters alone learn what a few steps of all weights have begun', async () => {
  const begun = await fineTune(['blip_caption', '--learning-rate', '1e-2', '--steps', '20']);
  expect(begun.printed).toContain('Not all captions are known yet');
  expect(begun.exitCode).toBe(1);
  const { exitCode, printed } = await fineTune([begun.output, '--train', 'lora', '--learning-rate', '1e-2']);
  expect(printed).toContain('All captions are known by heart.');
  expect(exitCode).toBe(0);
});

test('what cannot be trained is refused', async () => {
  const { exitCode, printed } = await fineTune(['blip_caption', '--train', 'mapper']);
  expect(printed).toContain('--train mapper');
  expect(exitCode).toBe(1);
});

/** Runs the example as a program of its own, against the sources instead of the built package. */
async function fineTune(args: readonly string[]): Promise<{ exitCode: number; printed: string; output: string }> {
  const output = await mkdtemp(join(folder, 'saved-'));
  const env = { ...process.env, TSX_TSCONFIG_PATH: join(root, 'examples/tsconfig.json') };
  const command = ['--import', import.meta.resolve('tsx'), script, ...args, '--output', output, '--backend', 'cpu'];
  try {
    const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: folder, env });
    return { exitCode: 0, printed: stdout, output };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { exitCode: code, printed: `${stdout}${stderr}`, output };
  }
}

const writeJSON = (model: string, name: string, value: unknown) =>
  writeFile(join(folder, model, name), JSON.stringify(value));

const language = {
  vocab_size: 501,
  n_positions: 48,
  n_embd: 32,
  n_layer: 2,
  n_head: 4,
  bos_token_id: 497,
  eos_token_id: 496,
};

/** GPT-2 with the words of the small BLIP-2. */
async function writeGPT2(model: string): Promise<void> {
  await copyTokenizer(model);
  await writeJSON(model, 'config.json', { model_type: 'gpt2', ...language });
  const spec = gpt2Spec(readGPT2Config(language));
  const params = createParams(spec, new Random(1));
  await saveStateDict(directory(join(folder, model)), stateDict(spec, params), { dispose: true });
  disposeTree(params);
}

async function writeVitGPT2(model: string): Promise<void> {
  await copyTokenizer(model);
  await cp(join(goldens, 'ved_vit_bert/preprocessor_config.json'), join(folder, model, 'preprocessor_config.json'));
  const encoder = {
    model_type: 'vit',
    image_size: 32,
    patch_size: 8,
    hidden_size: 40,
    intermediate_size: 80,
    num_hidden_layers: 2,
    num_attention_heads: 4,
  };
  const decoder = { model_type: 'gpt2', add_cross_attention: true, ...language };
  const ids = { decoder_start_token_id: 496, eos_token_id: 496, pad_token_id: 496 };
  const config = { model_type: 'vision-encoder-decoder', encoder, decoder, ...ids };
  await writeJSON(model, 'config.json', config);
  const spec = visionEncoderDecoderSpec(readVisionEncoderDecoderConfig(config));
  const params = createParams(spec, new Random(1));
  await saveStateDict(directory(join(folder, model)), stateDict(spec, params), { dispose: true });
  disposeTree(params);
}

async function copyTokenizer(model: string): Promise<void> {
  await mkdir(join(folder, model));
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json'])
    await cp(join(goldens, 'tokenizer_gpt2', name), join(folder, model, name));
}
