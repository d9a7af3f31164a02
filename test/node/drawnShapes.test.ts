import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drawShapes } from '../../examples/drawn-shapes/drawShapes';
import type { CaptionData, PixelImage } from '../../src/data/types';
import { loadCaptionData } from '../../src/node/captionData';

let root: string;
let data: CaptionData;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'shapes-'));
  await drawShapes(join(root, 'a'), { pictures: 60, seed: 7 });
  data = await loadCaptionData(join(root, 'a'));
});
afterAll(() => rm(root, { recursive: true }));

type Named = 'red' | 'green' | 'blue' | 'yellow';

/** Where the pixels of a colour lie on average, and how many there are. */
function centreOf({ data: rgb, width, height }: PixelImage, colour: Named) {
  const [red, green, blue] = { red: [1, 0, 0], green: [0, 1, 0], blue: [0, 0, 1], yellow: [1, 1, 0] }[
    colour
  ] as number[];
  let [x, y, count] = [0, 0, 0];
  for (let pixel = 0; pixel < width * height; pixel++) {
    const bright = [0, 1, 2].map((c) => (rgb[pixel * 3 + c]! > 128 ? 1 : 0));
    if (bright[0] !== red || bright[1] !== green || bright[2] !== blue) continue;
    x += pixel % width;
    y += Math.floor(pixel / width);
    count++;
  }
  return { x: x / count, y: y / count, count };
}

test('the set is whole, in Flickr8k layout', () => {
  expect(data).toMatchObject({ layout: 'flickr8k', splitSource: 'files', problems: [] });
  expect([data.train.size, data.dev.size, data.test.size]).toEqual([48, 6, 6]);
});

test('sentences say what the pixels show', async () => {
  let checked = 0;
  for await (const { captions, image } of data.train) {
    const picture = (await image()) as PixelImage;
    expect([picture.width, picture.height, captions.length]).toEqual([64, 64, 5]);
    const [, upper, lower] = /^A (\w+) \w+ above a (\w+)/.exec(captions[0]!) ?? [];
    const [, left, right] = /^A (\w+) \w+ to the left of a (\w+)/.exec(captions[0]!) ?? [];
    const [, size, only, place] = /^A (small|large) (\w+) \w+ (.+) \.$/.exec(captions[0]!) ?? [];
    if (upper && lower && upper !== lower) {
      checked++;
      expect(centreOf(picture, upper as Named).y, captions[0]).toBeLessThan(centreOf(picture, lower as Named).y - 10);
    } else if (left && right && left !== right) {
      checked++;
      expect(centreOf(picture, left as Named).x, captions[0]).toBeLessThan(centreOf(picture, right as Named).x - 10);
    } else if (size) {
      checked++;
      const { x, y, count } = centreOf(picture, only as Named);
      expect(count > 320 ? 'large' : 'small', captions[0]).toBe(size);
      const side =
        x < 25
          ? 'on the left'
          : x > 39
            ? 'on the right'
            : y < 27
              ? 'at the top'
              : y > 39
                ? 'at the bottom'
                : 'in the middle';
      expect(side, captions[0]).toBe(place);
    }
  }
  expect(checked).toBeGreaterThan(30);
});

test('the seed decides', async () => {
  await drawShapes(join(root, 'b'), { pictures: 60, seed: 7 });
  await drawShapes(join(root, 'c'), { pictures: 60, seed: 8 });
  const read = (folder: string, file: string) => readFile(join(root, folder, file), 'latin1');
  for (const file of ['Flickr8k.token.txt', 'Flickr_8k.trainImages.txt', 'images/shapes_0003.png'])
    expect(await read('b', file)).toBe(await read('a', file));
  expect(await read('c', 'Flickr8k.token.txt')).not.toBe(await read('a', 'Flickr8k.token.txt'));
});
