import { expect, test } from 'vitest';
import { augment } from '../../src/data/augment/augment';
import { parseTransforms } from '../../src/data/augment/named';
import type { Example } from '../../src/data/types';
import { augmentThreads } from '../../src/node/augmentThreads';
import { tinyPicture } from '../training/tiny';
import { useThreadFile } from './threadFile';

const threads = useThreadFile();

const transforms = parseTransforms('flip,crop,colour,rotate,blur,erase,randaugment');
const example = (i: number): Example => ({
  id: `${i}`,
  image: async () => tinyPicture(i),
  captions: ['a dog on the left'],
  split: 'train',
});

test.each([1, 3])('%i threads give the pictures that one without gives', async (count) => {
  const { file } = threads;
  const [plain, threaded] = [augment(transforms), augmentThreads(transforms, { threads: count, file })];
  expect(threaded.description).toBe(plain.description);
  const looks = (augmentation: typeof plain) =>
    Promise.all(
      Array.from({ length: 12 }, async (_, i) => {
        const { image, ...rest } = augmentation.apply(example(i), i);
        return [rest, await image()];
      }),
    );
  expect(await looks(threaded)).toEqual(await looks(plain));
  await threaded.close();
});

test('a picture that cannot be read, or changed, is an error of that picture alone', async () => {
  const threaded = augmentThreads(transforms, { threads: 1, file: threads.file });
  const broken: Example = { ...example(1), image: async () => Promise.reject(new Error('no such file')) };
  const empty: Example = {
    ...example(1),
    image: async () => ({ data: new Uint8Array(3), width: 9, height: 9, channels: 3 }),
  };
  await expect(threaded.apply(broken, 1).image()).rejects.toThrow('no such file');
  await expect(threaded.apply(empty, 1).image()).rejects.toThrow('A picture has 3 values');
  expect(await threaded.apply(example(1), 1).image()).toEqual(await augment(transforms).apply(example(1), 1).image());
  await threaded.close();
});

test('where there is no file for the threads, pictures are changed here', async () => {
  const here = augmentThreads(transforms, { file: new URL('./none.js', import.meta.url) });
  expect(await here.apply(example(2), 4).image()).toEqual(await augment(transforms).apply(example(2), 4).image());
  await here.close();
});

test("transforms of one's own are refused: threads do not know them", () => {
  const own = { name: 'mine', options: {}, draw: () => undefined };
  expect(() => augmentThreads([own])).toThrow(/'mine' is no augmentation/);
});
