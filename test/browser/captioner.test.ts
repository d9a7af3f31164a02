import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AttentionLSTMCaptioner } from '../../src/attentionLSTMCaptioner';
import type { Caption } from '../../src/captioner';
import { Random } from '../../src/core/random';
import { WordTokenizer } from '../../src/data/wordTokenizer';
import { MobileNetV2 } from '../../src/encoders/mobilenetV2';
import { directory } from '../../src/node/directory';
import { readImage } from '../../src/node/image';
import { expectClose } from '../helpers';
import { noBrowser, openPage, type Page } from './page';

describe.skipIf(noBrowser)('a captioner in a browser', () => {
  let folder: string;
  let page: Page;
  let inNode: Caption;

  beforeAll(async () => {
    await tf.setBackend('cpu');
    folder = await mkdtemp(join(tmpdir(), 'tfjs-captioning-'));
    const tokenizer = await WordTokenizer.fromCaptions(['a red cat on a blue mat'], { minCount: 1 });
    const encoder = new MobileNetV2({ type: 'mobilenet-v2', imageSize: 64 }, new Random(1));
    const sizes = { hiddenSize: 16, attentionSize: 8, embeddingSize: 8 };
    const captioner = AttentionLSTMCaptioner.create({ encoder, tokenizer, ...sizes, seed: 2 });
    await captioner.save(directory(folder), { dtype: 'F16' });
    captioner.dispose();
    encoder.dispose();
    // A PNG, because decoders of JPEG differ by a unit here and there.
    const picture = await sharp(join(import.meta.dirname, '../../examples/photos/cat.jpg'))
      .resize(90, 70)
      .png()
      .toBuffer();
    const restored = await AttentionLSTMCaptioner.load(directory(folder));
    inNode = await restored.caption(await readImage(picture), { attention: true });
    restored.dispose();
    const model = ['config.json', 'vocabulary.json', 'model.safetensors'];
    const files = await Promise.all(
      model.map(async (name) => [`/model/${name}`, await readFile(join(folder, name))] as const),
    );
    page = await openPage('captioner.page.ts', { files: { ...Object.fromEntries(files), '/photo.png': picture } });
  });

  afterAll(async () => {
    await page?.close();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  test('captions as it does in Node, from an element and from a blob', async () => {
    const { ofElement, ofBlob } = await page.call<{ ofElement: Caption; ofBlob: Caption }>(
      'captionPicture',
      '/model',
      '/photo.png',
    );
    for (const caption of [ofElement, ofBlob]) {
      expect(caption.tokens).toEqual(inNode.tokens);
      // wasm here, cpu there: float32 in another order of summation.
      expectClose(caption.logProbs, inNode.logProbs, 1e-4);
    }
    expectClose(ofElement.attention!.flat(), inNode.attention!.flat(), 1e-4);
  });

  test.each([
    ['wasm', 'indexedDB'],
    ['wasm', 'opfs'],
    ['webgl', 'indexedDB'],
  ])('learns on %s, is kept in %s and read back', async (backend, store) => {
    const missing = await page.call<string | undefined>('whyNot', backend);
    if (missing !== undefined) console.warn(`Not tested: ${missing}`);
    if (missing !== undefined && backend !== 'wasm') return;
    const { losses, texts } = await page.call<{ losses: number[]; texts: string[] }>('trainAndKeep', store, backend);
    expect(texts).toEqual(['a red square', 'a blue square']);
    expect(losses.at(-1)).toBeLessThan(0.1 * losses[0]!);
  });
});
