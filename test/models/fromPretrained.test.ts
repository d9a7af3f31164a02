import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { askedForCpu } from '../../src/backends/warnIfPlainCpu';
import { DataError, UsageError } from '../../src/core/errors';
import { Random } from '../../src/core/random';
import { datasetOf } from '../../src/data/dataset';
import type { PixelImage } from '../../src/data/types';
import { greedy } from '../../src/decoders/search/greedy';
import { memoryStore } from '../../src/io/stores';
import type { Store } from '../../src/io/types';
import { fromPretrained } from '../../src/models/fromPretrained';
import { directory } from '../../src/node';
import { LoRA } from '../../src/training/lora';
import { adamW } from '../../src/training/optimizers';
import { train } from '../../src/training/train';
import { goldenFolders } from '../goldenCase';
import { expectNoLeak } from '../helpers';

await tf.setBackend('cpu');
askedForCpu();

const models = join(import.meta.dirname, '../goldens/models');
const blip = () => directory(join(models, 'blip_caption'));

function picture(seed: number): PixelImage {
  const values = new Random(seed).fork('picture').uniform(40 * 32 * 3);
  return { data: Uint8Array.from(values, (value) => 256 * value), width: 40, height: 32, channels: 3 };
}
const pictures = [0, 1, 2].map(picture);

async function copyOf(store: Store, change: (store: Store) => Promise<void> = async () => {}): Promise<Store> {
  const copy = memoryStore();
  for (const name of await store.list()) await copy.write(name, await store.read(name));
  await change(copy);
  return copy;
}

const writeText = (store: Store, name: string, text: string) => store.write(name, new TextEncoder().encode(text));
const readText = async (store: Store, name: string) => new TextDecoder().decode(await store.read(name));

const folders = ['ved_', 'blip_caption', 'git', 'blip2'].flatMap(goldenFolders);

describe.each(folders)('%s', (folder) => {
  test('captions, is saved, and captions as before', () =>
    expectNoLeak(async () => {
      const captioner = await fromPretrained(await withPreprocessing(folder));
      const captions = await captioner.caption(pictures, { maxLength: 8 });
      expect(captions.map(({ tokens }) => tokens.length > 0)).toEqual([true, true, true]);
      const alone = await captioner.caption(pictures[1]!, { maxLength: 8 });
      expect(alone.tokens).toEqual(captions[1]!.tokens);
      const led = await captioner.caption(pictures, { maxLength: 8, prompt: ['a', 'a photo of', 'two'] });
      const single = await captioner.caption(pictures[1]!, { maxLength: 8, prompt: 'a photo of' });
      expect(single.tokens).toEqual(led[1]!.tokens);
      const said = captioner.tokenizer.decode(captioner.tokenizer.encode('a photo of'));
      expect(single.text.startsWith(said)).toBe(true);

      const store = memoryStore();
      await captioner.savePretrained(store);
      // Byte by byte, because Python tells 1.0 from 1.
      expect(await readText(store, 'config.json')).toBe(await readText(directory(folder), 'config.json'));
      const again = await fromPretrained(store);
      expect(await again.caption(pictures, { maxLength: 8 })).toEqual(captions);
      captioner.dispose();
      again.dispose();
    }));
});

/** Cases hold no preprocessing where nothing in them is a picture. */
async function withPreprocessing(folder: string): Promise<Store> {
  const store = await copyOf(directory(folder));
  if ((await store.size('preprocessor_config.json')) === undefined) {
    const config = JSON.parse(await readText(store, 'config.json'));
    const side = config.vision_config.image_size;
    const preprocessor = { image_processor_type: 'BlipImageProcessor', size: { height: side, width: side } };
    await writeText(store, 'preprocessor_config.json', JSON.stringify(preprocessor));
  }
  return store;
}

test('it searches as generation_config.json says', () =>
  expectNoLeak(async () => {
    const settings = { num_beams: 3, length_penalty: 0.7, max_length: 6, no_repeat_ngram_size: 1 };
    const store = await copyOf(blip(), (copy) => writeText(copy, 'generation_config.json', JSON.stringify(settings)));
    const captioner = await fromPretrained(store);
    expect(captioner.generation).toEqual({ beamSize: 3, lengthPenalty: 0.7, maxLength: 5 });
    const { tokens, alternatives } = await captioner.caption(pictures[0]!);
    expect(tokens.length).toBeLessThanOrEqual(5);
    expect(new Set(tokens).size).toBe(tokens.length);
    expect(alternatives!.length).toBe(2);
    // max_length counts the prompt.
    const led = await captioner.caption(pictures[0]!, { prompt: 'a' });
    expect(led.tokens.length).toBeLessThanOrEqual(4);
    captioner.dispose();
  }));

test('half precision is written into config.json too', () =>
  expectNoLeak(async () => {
    const captioner = await fromPretrained(blip());
    const [store, whole] = [memoryStore(), memoryStore()];
    await captioner.savePretrained(store, { dtype: 'float16' });
    await captioner.savePretrained(whole);
    expect(await readText(store, 'config.json')).toContain('"dtype": "float16"');
    expect((await store.size('model.safetensors'))!).toBeLessThan(0.6 * (await whole.size('model.safetensors'))!);
    const again = await fromPretrained(store);
    expect((await again.caption(pictures[0]!)).tokens.length).toBeGreaterThan(0);
    again.dispose();
    captioner.dispose();
  }));

test('adapters have to be merged before it is saved', () =>
  expectNoLeak(async () => {
    const captioner = await fromPretrained(blip());
    const lora = new LoRA(captioner.decoder.parts.layers, { rank: 2, random: new Random(1) });
    await expect(captioner.savePretrained(memoryStore())).rejects.toThrow('lora.merge()');
    lora.merge();
    await captioner.savePretrained(memoryStore());
    lora.dispose();
    captioner.dispose();
  }));

test('it is trained like any captioner: a few pictures are known by heart', () =>
  expectNoLeak(async () => {
    const captioner = await fromPretrained(blip());
    const texts = ['a dog', 'two sheep', 'a man sits'];
    const records = texts.map((caption, i) => ({ id: `${i}`, captions: [caption], split: 'train' as const }));
    const data = datasetOf(records, async ({ id }) => picture(Number(id)));
    const optimizer = adamW(0.01);
    let loss = Infinity;
    for await (const { crossEntropy } of train(captioner, data, {
      optimizer,
      epochs: 40,
      batchSize: 3,
      captionsPerImage: 1,
    }))
      loss = crossEntropy;
    expect(loss).toBeLessThan(0.3);
    const captions = await captioner.caption(pictures, { search: greedy() });
    expect(captions.map(({ text }) => text)).toEqual(texts);
    optimizer.dispose();
    captioner.dispose();
  }));

describe('what cannot be loaded says why, and leaves nothing behind', () => {
  test.each<[string, (store: Store) => Promise<void>, string]>([
    [
      'another model',
      (store) => writeText(store, 'config.json', '{ "model_type": "llama" }'),
      'no captioner that can be loaded',
    ],
    ['an activation', edited('"hidden_act": "gelu"', '"hidden_act": "gelu_9"'), 'hidden_act is "gelu_9"'],
    ['a size', edited('"hidden_size": 32', '"hidden_size": 36'), 'do not fit the model'],
    ['no tokenizer', (store) => remove(store, ['tokenizer.json', 'vocab.txt']), 'tokenizer'],
    ['no preprocessing', (store) => remove(store, ['preprocessor_config.json']), 'preprocessor_config.json'],
    ['an unknown setting', (store) => writeText(store, 'generation_config.json', '{ "magic": 3 }'), 'magic'],
    [
      'a setting not built',
      (store) => writeText(store, 'generation_config.json', '{ "penalty_alpha": 0.6 }'),
      'penalty_alpha',
    ],
  ])('%s', (_, change, message) =>
    expectNoLeak(async () => {
      const store = await copyOf(blip(), change);
      await expect(fromPretrained(store)).rejects.toThrow(DataError);
      await expect(fromPretrained(store)).rejects.toThrow(message);
    }),
  );

  test('prompts that are not as many as pictures are wrong use', () =>
    expectNoLeak(async () => {
      const captioner = await fromPretrained(blip());
      await expect(captioner.caption(pictures, { prompt: ['a', 'the'] })).rejects.toThrow(UsageError);
      captioner.dispose();
    }));
});

function edited(from: string, to: string) {
  return async (store: Store) => {
    const text = await readText(store, 'config.json');
    expect(text).toContain(from);
    await writeText(store, 'config.json', text.replace(from, to));
  };
}

async function remove(store: Store, names: string[]): Promise<void> {
  for (const name of names) await store.remove(name);
}
