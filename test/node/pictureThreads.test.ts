import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { DataError, UsageError } from '../../src/core/errors';
import { Random } from '../../src/core/random';
import { changePixels, describe } from '../../src/data/augment/augment';
import { parseTransforms } from '../../src/data/augment/named';
import { type Fit, fitPixels, pictureKey } from '../../src/data/fit';
import { toRGB } from '../../src/data/pixels';
import type { Dataset, FittedImage, PixelImage } from '../../src/data/types';
import { ConvEncoder } from '../../src/encoders/convEncoder';
import { augmentThreads } from '../../src/node/augmentThreads';
import { loadCaptionData } from '../../src/node/captionData';
import { readImage } from '../../src/node/image';
import { type PictureThreads, pictureThreads } from '../../src/node/pictureThreads';
import type { FeatureCache } from '../../src/training/features';
import { featureReader } from '../../src/training/features';
import { hubParquet, picture, tar, useFolder } from './fixtures';
import { useThreadFile } from './threadFile';

await tf.setBackend('cpu');

const folder = useFolder();
const built = useThreadFile();
const goldens = join(import.meta.dirname, '../goldens/pictures');
const files = ['exif.jpg', 'gray.jpg', 'gray.png', 'pal.png', 'photo.jpg', 'rgba.png'];
const nowhere = new URL('./none.js', import.meta.url);
const fit: Fit = { size: [20, 24], resize: { height: 30, width: 33 }, crop: 'round', filter: 'bicubic', alpha: 'drop' };

const transforms = parseTransforms('flip,crop,colour');

async function using<T>(threads: PictureThreads, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await threads.close();
  }
}

const plain = ({ data, ...rest }: PixelImage) => ({ ...rest, data: Buffer.from(data).toString('hex') });

/** What the functions of the library give one after the other: as read, fitted, changed, changed and fitted. */
async function pixelByPixel(file: string, seed: number): Promise<PixelImage[]> {
  const image = await readImage(join(goldens, file));
  const changed = changePixels(image, transforms, seed);
  return [image, fitPixels(toRGB(image, fit.alpha), fit), changed, fitPixels(toRGB(changed, fit.alpha), fit)];
}

test.each([undefined, 1, 3])(
  '%s threads give the pictures, changed and fitted, that there are without',
  async (count) => {
    const threads = pictureThreads(count ? { threads: count, file: built.file } : { file: nowhere });
    const [found, expected] = await using(threads, async () => {
      const read = files.flatMap((file, seed) => {
        const image = threads.image(() => ({ file: join(goldens, file) }), file);
        const changed = image.changed(describe(transforms), seed);
        return [image(), image.fitted(fit), changed(), changed.fitted(fit)];
      });
      return [await Promise.all(read), (await Promise.all(files.map(pixelByPixel))).flat()];
    });
    expect(found.map(({ width, height, channels, data }) => plain({ width, height, channels, data }))).toEqual(
      expected.map(plain),
    );
    expect(new Set(expected.map((each) => plain(each).data)).size).toBeGreaterThan(3 * files.length);
    const first = found[1] as FittedImage;
    expect(first.key).toBe(await pictureKey(toRGB(expected[0]!, fit.alpha)));
    expect(fitPixels(first, fit)).toBe(first);
  },
);

/** Data in every way in which a layout can have its pictures. */
const layouts: Record<string, () => Promise<Record<string, string | Uint8Array>>> = {
  files: async () => ({
    'a.csv': 'image,caption\na.png,a dog\nb.png,a cat\n',
    'a.png': await picture(1),
    'b.png': await picture(2),
  }),
  tar: async () => ({
    'a.tar': tar({ 'a.png': await picture(1), 'a.txt': 'a dog', 'b.png': await picture(2), 'b.txt': 'a cat' }),
  }),
  base64: async () => {
    const bytes = [await picture(1), await picture(2)];
    const rows = bytes.map((each, i) => ({
      id: `${i}`,
      caption: 'a dog',
      image: `data:image/png;base64,${each.toString('base64')}`,
    }));
    return { 'a.jsonl': rows.map((row) => JSON.stringify(row)).join('\n') };
  },
  parquet: async () => ({
    'a.parquet': hubParquet([
      { image: { bytes: await picture(1), path: 'a.png' }, captions: ['a dog'] },
      { image: { bytes: await picture(2), path: 'b.png' }, captions: ['a cat'] },
    ]),
  }),
};

test.each(Object.keys(layouts))('data with %s comes through threads as without them', async (name) => {
  await folder.write(await layouts[name]!());
  const whole = { splits: { dev: 0, test: 0 } };
  const threads = pictureThreads({ threads: 2, file: built.file });
  await using(threads, async () => {
    const [one, other] = [
      await loadCaptionData(folder.root, whole),
      await loadCaptionData(folder.root, { ...whole, threads }),
    ];
    const pixels = async ({ train }: { train: Dataset }) =>
      Promise.all(train.ids.map(async (_, i) => plain((await (await train.at(i)).image()) as PixelImage)));
    expect(await pixels(other)).toEqual(await pixels(one));
    expect((await other.train.at(0)).image.fitted).toBeDefined();
  });
});

test('features are the same, and kept under the same keys, with threads', async () => {
  await folder.write(await layouts.files!());
  const encoder = new ConvEncoder({ type: 'conv', imageSize: 8, channels: [4, 5] }, new Random(1));
  const threads = pictureThreads({ threads: 1, file: built.file });
  const featuresOf = async (given: object) => {
    const kept = new Map<string, number[]>();
    const cache: FeatureCache = {
      of: async () => ({
        get: async () => undefined,
        put: async (key, values) => {
          kept.set(key, [...values]);
          return values;
        },
      }),
    };
    const { train } = await loadCaptionData(folder.root, { splits: { dev: 0, test: 0 }, ...given });
    const read = featureReader(encoder, cache);
    const flips = augmentThreads(parseTransforms('flip:1'), { file: nowhere });
    const examples = [await train.at(0), flips.apply(await train.at(1), 3)];
    read.ahead(examples);
    (await read(examples)).dispose();
    return kept;
  };
  await using(threads, async () => expect(await featuresOf({ threads })).toEqual(await featuresOf({})));
  encoder.dispose();
});

test('a picture that cannot be read is an error of that picture alone, with its kind, its message and its name', async () => {
  await writeFile(join(folder.root, 'half.jpg'), (await readFile(join(goldens, 'photo.jpg'))).subarray(0, 900));
  const errorsOf = (threads: PictureThreads) =>
    using(threads, async () => {
      const half = threads.image(() => ({ file: join(folder.root, 'half.jpg') }), 'half.jpg');
      const small = threads.image(() => ({ file: join(goldens, 'photo.jpg') }), 'photo.jpg');
      const base64 = threads.image(() => ({ base64: '!' }), 'x');
      const wrong = threads.image(async () => Promise.reject(new DataError('no such row')), 'row');
      // One after the other: libvips has one place for the errors of all that are decoded at a time.
      const settled: PromiseSettledResult<unknown>[] = [];
      const attempts = [half, () => small.fitted({ size: [9, 9], resize: 'none' }), () => base64.fitted(fit), wrong];
      for (const attempt of attempts) settled.push(...(await Promise.allSettled([attempt()])));
      expect((await small()).width).toBeGreaterThan(9);
      return settled.map((each) => (each.status === 'rejected' ? [each.reason.constructor, each.reason.message] : []));
    });
  const here = await errorsOf(pictureThreads({ file: nowhere }));
  expect(here[0]).toEqual([DataError, expect.stringContaining('half.jpg does not decode')]);
  expect(here[1]).toEqual([DataError, expect.stringContaining('does not resize')]);
  expect(await errorsOf(pictureThreads({ threads: 1, file: built.file }))).toEqual(here);
});

const scripts: [string, string][] = [
  ['cannot be loaded', "import 'no-such-package';"],
  ['ends at once', 'process.exit(3);'],
];

test.each(scripts)('where the file of the threads %s, pictures are read here', async (_, script) => {
  const file = join(folder.root, 'thread.mjs');
  await writeFile(file, script);
  const threads = pictureThreads({ threads: 2, file: pathToFileURL(file) });
  const images = files.map((name) => threads.image(() => ({ file: join(goldens, name) }), name));
  await using(threads, async () => {
    const expected = await Promise.all(files.map((name) => readImage(join(goldens, name))));
    expect((await Promise.all(images.map((image) => image()))).map(plain)).toEqual(expected.map(plain));
    expect(plain(await images[0]!())).toEqual(plain(expected[0]!)); // when it is known that there are no threads
  });
});

test('a picture that ends its thread is an error that names it, and later ones are read', async () => {
  const file = join(folder.root, 'thread.mjs');
  // It answers once, so that it is known to have started.
  await writeFile(
    file,
    `import { parentPort } from 'node:worker_threads';
     parentPort.on('message', ({ id }) => {
       if (id > 0) throw new RangeError('out of memory');
       parentPort.postMessage('ready');
       parentPort.postMessage({ id, image: 'the first' });
     });`,
  );
  const threads = pictureThreads({ threads: 1, file: pathToFileURL(file) });
  const image = threads.image(() => ({ file: join(goldens, 'pal.png') }), 'pal.png');
  await using(threads, async () => {
    expect(await image()).toBe('the first');
    await expect(image()).rejects.toThrow(/pal\.png: the thread that read it has failed: out of memory/);
    expect((await image()).channels).toBe(3);
  });
});

test('more pictures than threads hold wait for their turn', async () => {
  const threads = pictureThreads({ threads: 1, file: built.file });
  const image = threads.image(() => ({ file: join(goldens, 'pal.png') }), 'pal.png');
  const read = await using(threads, () => Promise.all(Array.from({ length: 100 }, () => image.fitted(fit))));
  expect(new Set(read.map(({ key }) => key)).size).toBe(1);
  expect(read[0]!.key).toMatch(/^[0-9a-f]{32}$/);
});

test('stopped or closed, what was asked for rejects, and so does what is asked for later', async () => {
  const controller = new AbortController();
  const stopped = pictureThreads({ threads: 1, file: built.file, signal: controller.signal });
  const source = () => ({ file: join(goldens, 'photo.jpg') });
  const asked = Promise.allSettled(Array.from({ length: 80 }, () => stopped.image(source, 'photo')()));
  await new Promise((resolve) => setTimeout(resolve, 0));
  controller.abort(new Error('stopped'));
  const reasons = (await asked).map((each) => (each.status === 'rejected' ? each.reason.message : 'read'));
  expect(reasons.at(-1)).toBe('stopped');
  expect([...new Set(reasons)].every((reason) => reason === 'stopped' || reason === 'read')).toBe(true);
  await expect(stopped.image(source, 'photo')()).rejects.toThrow('stopped');
  const closed = pictureThreads({ threads: 1, file: built.file });
  await closed.close();
  await expect(closed.image(source, 'photo')()).rejects.toThrow(UsageError);
  expect(() => pictureThreads({ threads: 0 })).toThrow(/threads is 0/);
});

test('what was fitted for one encoder is refused by another', async () => {
  const threads = pictureThreads({ file: nowhere });
  const image = threads.image(() => ({ file: join(goldens, 'pal.png') }), 'pal.png');
  const encoder = new ConvEncoder({ type: 'conv', imageSize: 8, channels: [4, 5] }, new Random(1));
  const foreign = { id: 'pal.png', captions: [], split: 'train' as const, image: () => image.fitted(fit) };
  await expect(featureReader(encoder)([foreign])).rejects.toThrow(/was fitted as .*but this encoder reads/);
  encoder.dispose();
});
