import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeImages } from '../../src/captioner';
import { DataError, UsageError } from '../../src/core/errors';
import { createEncoder } from '../../src/encoders/create';
import { readSafetensors, storeFloat32, writeSafetensors } from '../../src/io/safetensors';
import { selectBackend } from '../../src/node/backends';
import { directory } from '../../src/node/directory';
import { loadEncoder } from '../../src/node/encoders';
import { readImage } from '../../src/node/image';
import { expectClose, expectNoLeak } from '../helpers';
import { dispose, tinyCaptioner, tinyPicture } from '../training/tiny';

const data = process.env.CAPTIONING_DATA ?? join(import.meta.dirname, '../../../shared/data');
const weights = join(data, 'weights/mobilenet_v2_1.0_224');

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'encoders-'));
});
afterAll(() => rm(root, { recursive: true }));

describe.skipIf(!existsSync(weights))('MobileNetV2 with the weights of ImageNet', () => {
  beforeAll(async () => {
    await selectBackend({ prefer: 'wasm', threads: 1 });
  });

  test('agrees with the reference on real pictures', () =>
    expectNoLeak(async () => {
      const encoder = await loadEncoder('mobilenet-v2', { weights });
      expect([encoder.grid, encoder.featureSize]).toEqual([[7, 7], 1280]);
      const { images } = JSON.parse(await readFile(join(weights, 'reference_gap.json'), 'utf8')) as {
        images: Record<string, { gap: number[] }>;
      };
      expect(Object.keys(images).length).toBeGreaterThanOrEqual(8);
      for (const [name, { gap }] of Object.entries(images)) {
        const file = [join(data, 'flickr8k/images', name), join(data, 'weights/tflite', name)].find(existsSync)!;
        const features = await encodeImages(encoder, [await readImage(file)]);
        // Means over 49 positions of values up to 6; the parrot is resized besides.
        tf.tidy(() => expectClose(tf.mean(features, 1), gap, 2e-3, 1e-3));
        features.dispose();
      }
      encoder.dispose();
    }));

  test('a weight file may be named itself; a layer that is missing or of another shape is named', () =>
    expectNoLeak(async () => {
      const bytes = await readFile(join(weights, 'model.safetensors'));
      (await loadEncoder('mobilenet-v2', { weights: join(weights, 'model.safetensors') })).dispose();
      const tensors = readSafetensors(bytes).tensors;
      tensors.delete('l07.bias');
      tensors.set('l00.bias', storeFloat32(new Float32Array(31), [31]));
      const file = join(root, 'cut.safetensors');
      await writeFile(file, writeSafetensors(tensors));
      const failed = loadEncoder('mobilenet-v2', { weights: file });
      await expect(failed).rejects.toThrow(DataError);
      await expect(failed).rejects.toThrow(
        /stem\.bias is \[31\] but should be \[32\]\n {2}blocks\.\d+\.\w+\.bias \[\d+\] is missing/,
      );
    }));
});

if (!existsSync(weights)) console.warn(`Skipped: MobileNetV2 against its reference (${weights} is not there).`);

const lite = join(data, 'weights/efficientnet_lite0_224');

test.skipIf(!existsSync(lite))(
  'EfficientNet-Lite0 agrees with its reference on real pictures',
  { timeout: 60_000 },
  async () => {
    await selectBackend({ prefer: 'wasm', threads: 1 });
    await expectNoLeak(async () => {
      const encoder = await loadEncoder('efficientnet-lite0', { weights: lite });
      expect([encoder.grid, encoder.featureSize]).toEqual([[7, 7], 1280]);
      // What a checkpoint holds of it builds the same encoder again.
      const again = createEncoder(JSON.parse(JSON.stringify(encoder.config)));
      expect(again.preprocessing).toEqual(encoder.preprocessing);
      again.dispose();
      const { images } = JSON.parse(await readFile(join(lite, 'reference_gap.json'), 'utf8')) as {
        images: Record<string, { gap: number[] }>;
      };
      for (const [name, { gap }] of Object.entries(images)) {
        const file = [join(data, 'flickr8k/images', name), join(data, 'weights/tflite', name)].find(existsSync)!;
        const features = await encodeImages(encoder, [await readImage(file)]);
        // Means over 49 positions of values up to 6.
        tf.tidy(() => expectClose(tf.mean(features, 1), gap, 1e-3, 1e-3));
        features.dispose();
      }
      encoder.dispose();
    });
  },
);

if (!existsSync(lite)) console.warn(`Skipped: EfficientNet-Lite0 against its reference (${lite} is not there).`);

test('a published network is loaded by its name, from whatever file has its weights', () =>
  expectNoLeak(async () => {
    const goldens = join(import.meta.dirname, '../goldens/models');
    await expect(loadEncoder('resnet18')).rejects.toThrow(UsageError);
    await expect(loadEncoder('resnet18', { weights: join(goldens, 'none') })).rejects.toThrow(DataError);
    // Of other widths than the published one: everything that does not fit is named.
    const failed = loadEncoder('resnet18', { weights: join(goldens, 'resnet_tv_basic'), stage: 1 });
    await expect(failed).rejects.toThrow(/conv1\.weight is \[8,3,7,7\] but should be \[64,3,7,7\]/);
    await expect(loadEncoder('mobilenet-v2', { weights: goldens, stage: 1 })).rejects.toThrow(UsageError);
  }));

test("a captioner's encoder is taken out of its folder, alone", () =>
  expectNoLeak(async () => {
    const captioner = tinyCaptioner();
    const folder = join(root, 'captioner');
    await captioner.save(directory(folder));
    const encoder = await loadEncoder(folder);
    expect(encoder.config).toEqual(captioner.encoder.config);
    const [own, loaded] = [
      await encodeImages(captioner.encoder, [tinyPicture(1)]),
      await encodeImages(encoder, [tinyPicture(1)]),
    ];
    expectClose(loaded, own, 0);
    tf.dispose([own, loaded]);
    encoder.dispose();
    dispose(captioner);
  }));

describe('what cannot be loaded', () => {
  const refused = async (
    given: Promise<unknown>,
    kind: typeof DataError | typeof UsageError,
    message: string | RegExp,
  ) =>
    expectNoLeak(async () => {
      await expect(given).rejects.toThrow(kind);
      await expect(given).rejects.toThrow(message);
    });

  test('a name without weights, weights with a folder, a name that is none', async () => {
    await refused(loadEncoder('mobilenet-v2'), UsageError, "loadEncoder('mobilenet-v2') needs { weights: FOLDER }");
    await refused(loadEncoder('resnet', { weights: 'x' }), UsageError, "'resnet' is no encoder that takes weights");
    await refused(
      loadEncoder('resnet'),
      DataError,
      /'resnet' is neither an encoder's name \(mobilenet-v2, .*\) nor the folder/,
    );
  });

  test('weights that are not there, or are none', async () => {
    const absent = join(root, 'absent');
    await refused(loadEncoder('mobilenet-v2', { weights: absent }), DataError, `There are no weights at ${absent}.`);
    const empty = join(root, 'empty');
    await mkdir(empty);
    await refused(loadEncoder('mobilenet-v2', { weights: empty }), DataError, /model\.safetensors.*not there/);
    const file = join(root, 'text.safetensors');
    await writeFile(file, 'no tensors here');
    await refused(
      loadEncoder('mobilenet-v2', { weights: file }),
      DataError,
      /text\.safetensors in .*not a whole safetensors file/,
    );
  });

  test('a folder whose encoder is damaged or of an unknown type', async () => {
    const captioner = tinyCaptioner();
    const folder = join(root, 'damaged');
    const store = directory(folder);
    await captioner.save(store);
    dispose(captioner);
    const write = (name: string, text: string) => store.write(name, new TextEncoder().encode(text));
    const config = JSON.parse(new TextDecoder().decode(await store.read('config.json')));
    await write('config.json', JSON.stringify({ ...config, encoder: { ...config.encoder, channels: [4, 6] } }));
    await refused(loadEncoder(folder), DataError, /encoder\.1\.weight is \[3,3,4,5\] but should be \[3,3,4,6\]/);
    await write('config.json', JSON.stringify({ ...config, encoder: { type: 'perceptron' } }));
    await refused(loadEncoder(folder), DataError, /received "perceptron"/);
    await write('config.json', '{');
    await refused(loadEncoder(folder), DataError, /config\.json in .* is not JSON/);
  });
});

const web = join(data, 'weights/mobilenet_v1_0.75_224_tfjs');

test.skipIf(!existsSync(web))('MobileNetV1 of the web calls a parrot a macaw', { timeout: 60_000 }, async () => {
  await selectBackend({ prefer: 'wasm', threads: 1 });
  await expectNoLeak(async () => {
    const parrot = await readImage(join(data, 'weights/tflite/parrot.jpg'));
    const { labels } = JSON.parse(await readFile(join(web, 'metadata.json'), 'utf8')) as { labels: string[] };
    const whole = await loadEncoder('tfjs-model', { weights: web });
    const classes = await encodeImages(whole, [parrot]);
    const best = tf.tidy(() => tf.argMax(tf.reshape(classes, [-1])).dataSync()[0]!);
    expect(labels[best]).toMatch(/macaw/);
    const encoder = await loadEncoder('tfjs-model', { weights: web, layer: 'conv_pw_13_relu' });
    expect([encoder.grid, encoder.featureSize]).toEqual([[7, 7], 768]);
    classes.dispose();
    whole.dispose();
    encoder.dispose();
  });
});

if (!existsSync(web)) console.warn(`Skipped: a TensorFlow.js model of the web as an encoder (${web} is not there).`);
