import { readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { normalisePixels } from '../../src/data/pixels';
import { loadPreprocessing } from '../../src/data/preprocessing';
import type { Encoded } from '../../src/data/pretrainedTokenizer';
import type { PixelImage } from '../../src/data/types';
import { memoryStore } from '../../src/io/stores';
import type { Store } from '../../src/io/types';
import { BlipMatching } from '../../src/models/blip';
import { readBlipConfig } from '../../src/models/blipConfig';
import { Clip, readClipConfig, unitLength } from '../../src/models/clip';
import { readSiglipConfig, Siglip } from '../../src/models/siglip';
import { blipEmbedder, blipScorer, siglipEmbedder } from '../../src/retrieval/embedders';
import { loadEmbedder, loadScorer } from '../../src/retrieval/loadEmbedder';
import { GoldenCase } from '../goldenCase';
import { expectClose, expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

const caseOf = (name: string) => new GoldenCase(join(import.meta.dirname, '../goldens/models', name));

/** The files of a case, and what says how pictures enter, which it has not. */
async function storeOf({ folder }: GoldenCase, processor: string): Promise<Store> {
  const store = memoryStore();
  for (const name of await readdir(folder)) await store.write(name, new Uint8Array(await readFile(join(folder, name))));
  const preprocessor = {
    image_processor_type: `${processor}ImageProcessor`,
    size: { height: 32, width: 32 },
    do_center_crop: false,
  };
  await store.write('preprocessor_config.json', new TextEncoder().encode(JSON.stringify(preprocessor)));
  return store;
}

const pictures = [3, 11].map(
  (step): PixelImage => ({
    data: Uint8Array.from({ length: 40 * 30 * 3 }, (_, i) => (i * step) % 256),
    width: 40,
    height: 30,
    channels: 3,
  }),
);

/** For a case that has ids and no texts: a text is the number of its row. */
function tokenizerOf(golden: GoldenCase) {
  const rows = (name: string) => tf.tidy(() => golden.tensor(name).arraySync()) as number[][];
  const ids = rows('in.input_ids');
  const masks = golden.values.has('in.attention_mask') ? rows('in.attention_mask') : ids.map((row) => row.map(() => 1));
  return {
    asked: {},
    encodeBatch(texts: readonly string[], options: object = {}): Encoded[] {
      this.asked = options;
      return texts.map((text) => ({ ids: ids[Number(text)]!, typeIds: [], mask: masks[Number(text)]! }));
    },
  };
}

/** What enters a model of these pictures: [pictures, 32, 32, 3]. */
const pixelsOf = async (store: Store) =>
  tf.tensor4d(normalisePixels(pictures, await loadPreprocessing(store)), [pictures.length, 32, 32, 3]);

describe('CLIP', () => {
  const golden = caseOf('clip');

  test('texts give the vectors of the reference, pictures those of the model', () =>
    expectNoLeak(async () => {
      const store = await storeOf(golden, 'CLIP');
      const embedder = await loadEmbedder(store);
      const texts = await embedder.embedTexts(golden.result('texts'));
      tf.tidy(() => golden.compare('out.text_embeds', texts));
      const images = await embedder.embedImages(pictures);
      const clip = await Clip.load(readClipConfig(golden.config), golden.source);
      const pixels = await pixelsOf(store);
      const expected = tf.tidy(() => unitLength(clip.projectSeen(clip.see(pixels))));
      expectClose(images, expected, 1e-6);
      tf.dispose([texts, images, pixels, expected]);
      clip.dispose();
      embedder.dispose();
    }));
});

describe('SigLIP', () => {
  const golden = caseOf('siglip');

  test('texts give the vectors of the reference, pictures those of the model', () =>
    expectNoLeak(async () => {
      const store = await storeOf(golden, 'Siglip');
      const siglip = await Siglip.load(readSiglipConfig(golden.config), golden.source);
      const tokenizer = tokenizerOf(golden);
      const embedder = siglipEmbedder(siglip, tokenizer, await loadPreprocessing(store));
      const texts = await embedder.embedTexts(['0', '1', '2']);
      tf.tidy(() => golden.compare('out.text_embeds', texts));
      expect(tokenizer.asked).toEqual({ truncation: true, maxLength: 16, padding: 'maxLength' });
      const images = await embedder.embedImages(pictures);
      const pixels = await pixelsOf(store);
      const expected = tf.tidy(() => unitLength(siglip.see(pixels).pooled!));
      expectClose(images, expected, 1e-6);
      tf.dispose([texts, images, pixels, expected]);
      siglip.dispose();
    }));

  test('one that pools no pictures is refused', async () => {
    const store = await storeOf(golden, 'Siglip');
    const config = {
      ...golden.config,
      vision_config: { ...(golden.config.vision_config as object), vision_use_head: false },
    };
    await store.write('config.json', new TextEncoder().encode(JSON.stringify(config)));
    for (const name of ['tokenizer.json', 'tokenizer_config.json', 'vocab.txt', 'special_tokens_map.json'])
      await store.write(name, new Uint8Array(readFileSync(join(caseOf('blip_itm').folder, name))));
    await expectNoLeak(() => expect(loadEmbedder(store)).rejects.toThrow(/vision_use_head/));
  });
});

describe('BLIP with its matching heads', () => {
  const golden = caseOf('blip_itm');
  const tokenizer = tokenizerOf(golden);

  test('embeds as the reference does', () =>
    expectNoLeak(async () => {
      const store = await storeOf(golden, 'Blip');
      const { blip, features } = await featuresOf(store);
      const read = await blipEmbedder(blip, tokenizer).embedTexts(['0', '1', '2']);
      tf.tidy(() => golden.compare('out.text_feat', read));
      const embedder = await loadEmbedder(store);
      const images = await embedder.embedImages(pictures);
      const expected = tf.tidy(() => blip.pictureVectors(features));
      expectClose(images, expected, 1e-6);
      tf.dispose([read, images, features, expected]);
      blip.dispose();
      embedder.dispose();
    }));

  test('scores pictures by the head that sees both, whatever else is scored with them', () =>
    expectNoLeak(async () => {
      const store = await storeOf(golden, 'Blip');
      const { blip, features } = await featuresOf(store);
      const scorer = blipScorer(blip, tokenizer);
      for (const text of ['0', '1', '2']) {
        const [{ ids, mask }] = tokenizer.encodeBatch([text]) as [Encoded];
        const tokens = ids.filter((_, i) => mask[i] === 1); // without padding, which is to change nothing
        const expected = tf.tidy(() => {
          const rows = tf.tensor2d([tokens, tokens], undefined, 'int32');
          return tf.softmax(blip.matchLogits(blip.read(rows, undefined, features))).arraySync() as number[][];
        });
        const scores = await scorer.score(text, pictures);
        expectClose(
          scores,
          expected.map((row) => row[1]!),
          1e-5,
        );
        expectClose(await scorer.score(text, pictures.slice(1)), scores.slice(1), 1e-5);
      }
      const loaded = await loadScorer(store);
      expect((await loaded.score('a dog', pictures)).every((score) => score > 0 && score < 1)).toBe(true);
      loaded.dispose();
      expect(await scorer.score('a', [])).toEqual([]);
      features.dispose();
      blip.dispose();
    }));

  async function featuresOf(store: Store) {
    const blip = await BlipMatching.load(readBlipConfig(golden.config), golden.source, await loadPreprocessing(store));
    const pixels = await pixelsOf(store);
    const features = tf.tidy(() => blip.encoder.encode(pixels));
    pixels.dispose();
    return { blip, features };
  }
});

describe('what cannot be used is named', () => {
  const config = (value: object) => {
    const store = memoryStore();
    return store.write('config.json', new TextEncoder().encode(JSON.stringify(value))).then(() => store);
  };

  test.each<[object, RegExp]>([
    [{ model_type: 'git' }, /'git'.*dual-encoder, clip, siglip, blip/],
    [{}, /an unknown model/],
    [{ model_type: 'blip', architectures: ['BlipForConditionalGeneration'] }, /no heads that match/],
  ])('%o', async (value, message) => {
    await expect(loadEmbedder(await config(value))).rejects.toThrow(message);
    if ('model_type' in value) await expect(loadScorer(await config(value))).rejects.toThrow(/BLIP|no heads/);
  });
});
