import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, test } from 'vitest';
import { AttentionLSTMCaptioner } from '../src/attentionLSTMCaptioner';
import { askedForCpu } from '../src/backends/warnIfPlainCpu';
import { DataError } from '../src/core/errors';
import { float16ToFloat32, float32ToFloat16 } from '../src/io/float16';
import { readSafetensors, type StoredTensor, storeFloat32, writeSafetensors } from '../src/io/safetensors';
import { memoryStore } from '../src/io/stores';
import type { Store } from '../src/io/types';
import { expectNoLeak } from './helpers';
import { dispose, tinyCaptioner, tinyPicture, weightsOf } from './training/tiny';

await tf.setBackend('cpu');
askedForCpu();

const pictures = [0, 1, 2].map(tinyPicture);
const readText = async (store: Store, name: string) => new TextDecoder().decode(await store.read(name));
const writeText = (store: Store, name: string, text: string) => store.write(name, new TextEncoder().encode(text));

describe('save and load', () => {
  test('give the same captioner, bit for bit', () =>
    expectNoLeak(async () => {
      const captioner = tinyCaptioner({ numLayers: 2, deepOutput: true, attentionActivation: 'relu', dropout: 0.25 });
      const store = memoryStore();
      await captioner.save(store);
      expect(await store.list()).toEqual(['README.md', 'config.json', 'model.safetensors', 'vocabulary.json']);
      const loaded = await AttentionLSTMCaptioner.load(store);
      expect(weightsOf(loaded)).toEqual(weightsOf(captioner));
      expect(loaded.decoder.config).toEqual(captioner.decoder.config);
      expect(loaded.encoder.config).toEqual(captioner.encoder.config);
      expect(loaded.generation).toEqual(captioner.generation);
      expect(loaded.dropout).toBe(0.25);
      expect(loaded.tokenizer.toJSON()).toEqual(captioner.tokenizer.toJSON());
      expect(await loaded.caption(pictures)).toEqual(await captioner.caption(pictures));
      dispose(captioner);
      loaded.dispose(); // its encoder with it
    }));

  test('in F16 round every weight, once', () =>
    expectNoLeak(async () => {
      const captioner = tinyCaptioner();
      const [whole, half] = [memoryStore(), memoryStore()];
      await captioner.save(whole);
      await captioner.save(half, { dtype: 'F16' });
      const loaded = await AttentionLSTMCaptioner.load(half);
      const rounded = Object.entries(weightsOf(captioner)).map(([name, values]) => [
        name,
        float16ToFloat32(float32ToFloat16(values)),
      ]);
      expect(weightsOf(loaded)).toEqual(Object.fromEntries(rounded));
      const sizes = await Promise.all(
        [whole, half].map(async (store) => (await store.read('model.safetensors')).length),
      );
      expect(sizes[1]).toBeLessThan(0.7 * sizes[0]!);
      const again = memoryStore();
      await loaded.save(again, { dtype: 'F16' });
      expect(await again.read('model.safetensors')).toEqual(await half.read('model.safetensors'));
      loaded.dispose();
      dispose(captioner);
    }));

  test('keep the card and the search defaults that were given', () =>
    expectNoLeak(async () => {
      const captioner = tinyCaptioner();
      const store = memoryStore();
      await captioner.save(store, { card: '# Mine\n', generation: { beamSize: 5 } });
      expect(await readText(store, 'README.md')).toBe('# Mine\n');
      const loaded = await AttentionLSTMCaptioner.load(store);
      expect(loaded.generation).toEqual({ beamSize: 5, lengthPenalty: 0.9, maxLength: 6 });
      loaded.dispose();
      dispose(captioner);
    }));

  test('config.json says how pictures enter, in which format, and by which versions', async () => {
    const captioner = tinyCaptioner();
    const store = memoryStore();
    await captioner.save(store);
    expect(JSON.parse(await readText(store, 'config.json'))).toMatchObject({
      format: 'tfjs-captioning',
      formatVersion: 1,
      architecture: 'attention-lstm',
      preprocessing: { size: [8, 8], resize: 'squash', filter: 'bilinear', mean: 127.5, scale: 1 / 127.5 },
      versions: { '@tensorflow/tfjs': tf.version_core },
    });
    dispose(captioner);
  });
});

describe('what cannot be loaded says which file and why, and leaves nothing behind', () => {
  let saved: Map<string, Uint8Array>;
  beforeAll(async () => {
    const captioner = tinyCaptioner();
    const store = memoryStore();
    await captioner.save(store);
    saved = new Map(
      await Promise.all((await store.list()).map(async (name) => [name, await store.read(name)] as const)),
    );
    dispose(captioner);
  });

  /** The saved captioner in a store of its own, after a change. */
  async function changed(change: (store: Store) => Promise<void>): Promise<Store> {
    const store = memoryStore();
    for (const [name, bytes] of saved) await store.write(name, bytes);
    await change(store);
    return store;
  }

  // biome-ignore lint/suspicious/noExplicitAny: a configuration to be broken
  const config = (edit: (config: any) => void) => async (store: Store) => {
    const value = JSON.parse(await readText(store, 'config.json'));
    edit(value);
    await writeText(store, 'config.json', JSON.stringify(value));
  };
  const tensors = (edit: (tensors: Map<string, StoredTensor>) => void) => async (store: Store) => {
    const found = readSafetensors(await store.read('model.safetensors')).tensors;
    edit(found);
    await store.write('model.safetensors', writeSafetensors(found));
  };
  const zeros = (shape: number[]) => storeFloat32(new Float32Array(tf.util.sizeFromShape(shape)), shape);

  const cases: [string, (store: Store) => Promise<void>, RegExp][] = [
    ['no configuration', (store) => store.remove('config.json'), /^'config\.json' is not in memory/],
    ['no vocabulary', (store) => store.remove('vocabulary.json'), /^'vocabulary\.json' is not in memory/],
    ['no weights', (store) => store.remove('model.safetensors'), /^'model\.safetensors' is not in memory/],
    [
      'weights cut short',
      async (store) => store.write('model.safetensors', saved.get('model.safetensors')!.slice(0, -5)),
      /^model\.safetensors in memory: This is not a whole safetensors file/,
    ],
    [
      'no bytes of weights at all',
      async (store) => store.write('model.safetensors', new Uint8Array(0)),
      /^model\.safetensors in memory: .*0 bytes/,
    ],
    [
      'a configuration cut short',
      async (store) => store.write('config.json', saved.get('config.json')!.slice(0, 100)),
      /^config\.json in memory is not JSON.*cut short/,
    ],
    [
      'a tensor of another shape',
      tensors((all) => all.set('decoder.output.bias', zeros([3]))),
      /model\.safetensors in memory do not fit .*\n.*decoder\.output\.bias is \[3\] but should be \[\d+\]/,
    ],
    ['a tensor too few', tensors((all) => all.delete('encoder.0.bias')), /encoder\.0\.bias \[4\] is missing/],
    [
      'a tensor too many',
      tensors((all) => all.set('decoder.spare', zeros([2]))),
      /decoder\.spare is not part of this model/,
    ],
    [
      'a vocabulary of another model',
      async (store) => {
        const vocabulary = JSON.parse(await readText(store, 'vocabulary.json'));
        vocabulary.words.push('giraffe');
        await writeText(store, 'vocabulary.json', JSON.stringify(vocabulary));
      },
      /^vocabulary\.json in memory has \d+ entries but the decoder was built for \d+/,
    ],
    [
      'a vocabulary that is none',
      async (store) => writeText(store, 'vocabulary.json', '["a", "b"]'),
      /^vocabulary\.json in memory is not a vocabulary/,
    ],
    [
      'another format',
      config((c) => {
        c.format = 'keras';
      }),
      /^config\.json in memory is not what this version expects:\n {2}format: /,
    ],
    [
      'a later format',
      config((c) => {
        c.formatVersion = 2;
      }),
      /formatVersion: /,
    ],
    [
      'another architecture',
      config((c) => {
        c.architecture = 'transformer';
      }),
      /architecture: .*"transformer"/,
    ],
    [
      'sizes that are none',
      config((c) => {
        c.decoder.hiddenSize = -7;
      }),
      /decoder\.hiddenSize: /,
    ],
    [
      'an encoder that is not known',
      config((c) => {
        c.encoder = { type: 'swin' };
      }),
      /received "swin"/,
    ],
    [
      'an encoder without its settings',
      config((c) => {
        delete c.encoder.channels;
      }),
      /channels: /,
    ],
    [
      'layers that the weights do not have',
      config((c) => {
        c.decoder.numLayers = 2;
      }),
      /decoder\.lstm\.1\.input \[7,28\] is missing/,
    ],
    [
      'an encoder that the decoder does not fit',
      config((c) => {
        c.encoder.channels = [4, 6];
      }),
      /^config\.json in memory describes an encoder with 6 features per position but a decoder that reads 5/,
    ],
  ];
  test.each(cases)('%s', async (_, change, message) => {
    const store = await changed(change);
    await expectNoLeak(async () => {
      const failed = AttentionLSTMCaptioner.load(store);
      await expect(failed).rejects.toThrow(DataError);
      await expect(failed).rejects.toThrow(message);
    });
  });

  test('nothing but the change above was wrong', async () => {
    const captioner = await AttentionLSTMCaptioner.load(await changed(async () => {}));
    captioner.dispose();
  });
});
