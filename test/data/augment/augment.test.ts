import { describe, expect, test } from 'vitest';
import { UsageError } from '../../../src/core/errors';
import { Random } from '../../../src/core/random';
import { augment, describe as describeTransforms } from '../../../src/data/augment/augment';
import { blur } from '../../../src/data/augment/blur';
import { colourJitter } from '../../../src/data/augment/colourJitter';
import { drawBox } from '../../../src/data/augment/draws';
import { flip, flipPixels, swapSides } from '../../../src/data/augment/flip';
import { grayscale } from '../../../src/data/augment/grayscale';
import { parseTransforms, transformsOf } from '../../../src/data/augment/named';
import { randAugment } from '../../../src/data/augment/randAugment';
import { randomErasing } from '../../../src/data/augment/randomErasing';
import { middle, randomResizedCrop } from '../../../src/data/augment/randomResizedCrop';
import { rotation } from '../../../src/data/augment/rotation';
import type { Example, PixelImage } from '../../../src/data/types';

const noise = (seed: number, width = 20, height = 12): PixelImage => ({
  data: Uint8Array.from(new Random(seed).uniform(width * height * 3), (value) => 256 * value),
  ...{ width, height, channels: 3 },
});
const example: Example = {
  id: 'a.jpg',
  image: async () => noise(1),
  captions: ['a dog on the left', 'two dogs'],
  split: 'train',
};
const everything = () => [
  flip(),
  randomResizedCrop({ size: [9, 9] }),
  colourJitter({ hue: 0.1 }),
  rotation(),
  blur(),
  grayscale({ probability: 0.5 }),
  randomErasing({ fill: 'noise' }),
  randAugment(),
];

test.each([
  ['a man stands to the left of a dog', 'a man stands to the right of a dog'],
  ['LEFT and Right, left.', 'RIGHT and Left, right.'],
  ['the right-hand side, the leftmost cup, a leftward look', 'the left-hand side, the rightmost cup, a rightward look'],
  ['the player on the left is looking right', 'the player on the right is looking left'],
  ["a boy 's left foot", "a boy 's right foot"],
  ['a dog is left behind', 'a dog is left behind'],
  ['a cat right next to a bowl', 'a cat right next to a bowl'],
  ['two slices are left on a plate', 'two slices are left on a plate'],
  ['leftovers in a bright room', 'leftovers in a bright room'],
  ['a sign says all right', 'a sign says all right'],
  ['a boy writes', 'a boy writes'],
])('captions of the mirror image: %s', (caption, mirrored) => {
  expect(swapSides(caption)).toBe(mirrored);
  expect(swapSides(mirrored)).toBe(caption);
});

describe('augment', () => {
  test('gives what follows from the seed alone, and another seed gives another picture', async () => {
    const augmentation = augment(everything());
    const looks = async (seed: number) => {
      const { image, captions, view } = augmentation.apply(example, seed);
      return JSON.stringify([await image(), captions, view]);
    };
    const first = await Promise.all([1, 2, 3, 4].map(looks));
    const again = await Promise.all([4, 3, 2, 1].map(looks));
    expect(again.reverse()).toEqual(first);
    expect(new Set(first).size).toBe(4);
  });

  test('a flip alone is the flipped view, with its captions; nothing drawn is the example itself', async () => {
    const augmentation = augment([flip()]);
    const seen = { plain: 0, flipped: 0 };
    for (let seed = 0; seed < 400; seed++) {
      const one = augmentation.apply(example, seed);
      if (one === example) seen.plain++;
      else {
        seen.flipped++;
        expect(one.view).toBe('flipped');
        expect(one.captions).toEqual(['a dog on the right', 'two dogs']);
        expect(await one.image()).toEqual(flipPixels(noise(1)));
      }
    }
    expect(seen.plain).toBeGreaterThan(160); // five standard deviations of a fair coin are 50
    expect(seen.flipped).toBeGreaterThan(160);
    expect(augment([flip({ probability: 1 }), grayscale({ probability: 1 })]).apply(example, 1).view).toBe('random');
    expect(example.captions[0]).toBe('a dog on the left');
  });

  test('does not open the picture before it is asked for, and takes any channels', async () => {
    let opened = 0;
    const grey: Example = {
      ...example,
      image: async () => {
        opened++;
        return { data: Uint8Array.of(1, 2, 3, 4), width: 2, height: 2, channels: 1 };
      },
    };
    const one = augment([flip({ probability: 1 })]).apply(grey, 1);
    expect(opened).toBe(0);
    expect(await one.image()).toMatchObject({ data: Uint8Array.of(2, 2, 2, 1, 1, 1, 4, 4, 4, 3, 3, 3), channels: 3 });
  });

  test('is remade from its description by another thread', async () => {
    const { description } = augment(everything());
    const again = augment(transformsOf(description));
    expect(again.description).toBe(description);
    expect(await again.apply(example, 5).image()).toEqual(await augment(everything()).apply(example, 5).image());
  });

  test('no transform at all is wrong use', () => expect(() => augment([])).toThrow(UsageError));
});

describe('what is drawn stays within what was asked for', () => {
  test('boxes', () => {
    const picture = { width: 40, height: 30 } as PixelImage;
    let [least, most] = [1, 0];
    for (let seed = 0; seed < 300; seed++) {
      const box = drawBox(new Random(seed), picture, [0.3, 0.6], [0.75, 4 / 3])!;
      expect(box.left >= 0 && box.top >= 0 && box.left + box.width <= 40 && box.top + box.height <= 30).toBe(true);
      const area = (box.width * box.height) / 1200;
      [least, most] = [Math.min(least, area), Math.max(most, area)];
      expect(box.width / box.height).toBeGreaterThan(0.7); // sides are whole numbers
      expect(box.width / box.height).toBeLessThan(1.43);
    }
    expect(least).toBeGreaterThan(0.28);
    expect(least).toBeLessThan(0.33);
    expect(most).toBeGreaterThan(0.57);
    expect(most).toBeLessThan(0.63);
    // Ten that do not fit: the middle is taken.
    expect(drawBox(new Random(1), { width: 100, height: 2 } as PixelImage, [0.9, 1], [1, 1])).toBeUndefined();
    expect(middle({ width: 100, height: 2 } as PixelImage, [1, 1])).toEqual({ left: 49, top: 0, width: 2, height: 2 });
    expect(middle({ width: 3, height: 9 } as PixelImage, [0.5, 1])).toEqual({ left: 0, top: 1, width: 3, height: 6 });
  });

  test('erasing covers one rectangle of its colour', () => {
    const picture = noise(2);
    const transform = randomErasing({ probability: 1, scale: [0.2, 0.2], fill: [7, 7, 7] });
    for (let seed = 0; seed < 20; seed++) {
      const { data } = transform.draw(new Random(seed))!.pixels(picture);
      const changed = [...data].flatMap((value, i) => (value === picture.data[i] ? [] : [value]));
      expect(new Set(changed)).toEqual(new Set([7]));
      expect(changed.length / data.length).toBeGreaterThan(0.13);
      expect(changed.length / data.length).toBeLessThan(0.27);
    }
  });

  test('how often a transform happens', () => {
    const often = (probability: number) => {
      const transform = grayscale({ probability });
      return Array.from({ length: 500 }, (_, seed) => transform.draw(new Random(seed))).filter(Boolean).length / 500;
    };
    expect([often(0), often(1)]).toEqual([0, 1]);
    expect(often(0.3)).toBeCloseTo(0.3, 1); // a standard deviation is 0.02
  });
});

describe('words of a command line', () => {
  test('are transforms with their numbers', () =>
    expect(JSON.parse(describeTransforms(parseTransforms('flip, crop:0.6,colour:0.2,rotate:5,erase:0.1')))).toEqual([
      { name: 'flip', probability: 0.5 },
      { name: 'crop', scale: [0.6, 1], ratio: [3 / 4, 4 / 3] },
      { name: 'colour', brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0, probability: 1 },
      { name: 'rotate', degrees: 5, fill: [0, 0, 0], probability: 1 },
      { name: 'erase', scale: [0.02, 0.33], ratio: [0.3, 3.3], fill: [127, 127, 127], probability: 0.1 },
    ]));

  test.each([
    ['mirror', "'mirror' is no augmentation"],
    ['flip:x', "'flip:x' should be a name"],
    ['flip:', "'flip:' should be a name"],
    ['flip:2', 'probability is 2'],
    ['crop:-1', 'scale is [-1,1]'],
    ['randaugment:31', 'magnitude is 31'],
    ['constructor', "'constructor' is no augmentation"],
    ['', "'' is no augmentation"],
  ])('that cannot be meant: %s', (text, message) => {
    expect(() => parseTransforms(text)).toThrow(UsageError);
    expect(() => parseTransforms(text)).toThrow(message);
  });

  test.each([
    () => blur({ kernelSize: 4 }),
    () => blur({ sigma: [2, 1] }),
    () => colourJitter({ hue: 0.6 }),
    () => rotation({ degrees: -1 }),
    () => randomResizedCrop({ ratio: [0, 1] }),
    () => randAugment({ operations: 0 }),
  ])('and options neither: %s', (make) => expect(make).toThrow(UsageError));
});
