import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import type { Filter } from '../../src/core/preprocessing';
import { fitPixels } from '../../src/data/fit';
import { normalisePixels, type PixelPreprocessing, toRGB } from '../../src/data/pixels';
import { loadPreprocessing, preprocessingOf, torchvisionPreprocessing } from '../../src/data/preprocessing';
import { resize } from '../../src/data/resize';
import type { PixelImage } from '../../src/data/types';
import { directory } from '../../src/node/directory';
import { readImage } from '../../src/node/image';
import { GoldenCase, goldenFolders } from '../goldenCase';
import { expectClose } from '../helpers';

await tf.setBackend('cpu');

describe.each(goldenFolders('preprocess').map((folder) => new GoldenCase(folder)))('$folder', (golden) => {
  const read = (file: string, orientation: 'exif' | 'stored' = 'exif') =>
    readImage(join(golden.folder, file), { orientation });
  /** Bytes, [height, width, 3]. */
  const compareBytes = (name: string, { data, width, height, channels }: PixelImage) =>
    tf.tidy(() => golden.compare(name, tf.tensor3d(Int32Array.from(data), [height, width, channels], 'int32')));
  /** The input of a model, [3, height, width]. */
  const normalised = (image: PixelImage, preprocessing: PixelPreprocessing) => {
    const [height, width] = preprocessing.size;
    return tf.transpose(tf.tensor3d(normalisePixels([image], preprocessing), [height, width, 3]), [2, 0, 1]);
  };
  const compareNormalised = (name: string, image: PixelImage, preprocessing: PixelPreprocessing) =>
    tf.tidy(() => golden.compare(name, normalised(image, preprocessing)));
  const named = (prefix: string) =>
    golden.outputs(prefix).map((name) => [name, ...name.slice(prefix.length).split('/')]);

  test.each(named('out.decoded_rgb/'))('%s', async (name, file) => {
    const turned = file === 'exif_transposed';
    const image = await read(turned ? 'exif.jpg' : file!, turned ? 'exif' : 'stored');
    compareBytes(name!, toRGB(image, 'drop'));
  });

  test.each(named('out.resize/'))('%s', async (name, file, filter, size) => {
    const [width, height] = size!.split('x').map(Number);
    compareBytes(name!, resize(toRGB(await read(file!)), width!, height!, filter as Filter));
  });

  test.each(named('out.processor/'))('%s', async (name, processor, file) => {
    const preprocessing = await loadPreprocessing(directory(join(golden.folder, 'processors', processor!)));
    compareNormalised(name!, await read(file!), preprocessing);
  });

  test.each(named('out.torchvision/'))('%s', async (name, filter, sizes, file, step) => {
    const [, shorter, crop] = /^resize(\d+)_crop(\d+)$/.exec(sizes!)!;
    const preprocessing = torchvisionPreprocessing({
      resize: Number(shorter),
      crop: Number(crop),
      filter: filter as Filter,
    });
    const image = await read(file!);
    if (step === 'normalised') compareNormalised(name!, image, preprocessing);
    else compareBytes(name!, fitPixels(toRGB(image, 'drop'), preprocessing));
  });

  test('the default processor of CLIP on a picture of real size', async () => {
    const image = await read('full.png');
    const preprocessing = preprocessingOf({ image_processor_type: 'CLIPImageProcessor' });
    tf.tidy(() => {
      const all = normalised(image, preprocessing);
      const rows = Array.from({ length: Math.ceil(all.shape[1]! / 8) }, (_, index) => index * 8);
      golden.compare('out.full.png/clip_processor_default/sub', tf.gather(tf.gather(all, rows, 1), rows, 2));
      golden.compare('out.full.png/clip_processor_default/channel_mean', tf.mean(all, [1, 2]));
    });
  });

  test.each(readdirSync(golden.folder).filter((file) => file.endsWith('_expected.png')))('%s', async (file) => {
    const [, source, filter, shorter, crop] = /^(.*)_(\w+)_(\d+)_(\d+)_expected\.png$/.exec(file)!;
    const preprocessing = torchvisionPreprocessing({
      resize: Number(shorter),
      crop: Number(crop),
      filter: filter as Filter,
    });
    const expected = await read(file);
    const made = fitPixels(toRGB(await read(`${source}.png`), 'drop'), preprocessing);
    expect([made.width, made.height]).toEqual([expected.width, expected.height]);
    expectClose(made.data, expected.data, 0);
  });

  test('every output was compared', () => golden.expectAllCompared());
});
