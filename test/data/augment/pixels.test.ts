import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { rotatePixels, transformAffine } from '../../../src/data/augment/affine';
import { gaussianBlur } from '../../../src/data/augment/blur';
import {
  adjustBrightness,
  adjustContrast,
  adjustHue,
  adjustSaturation,
  grayscalePixels,
} from '../../../src/data/augment/colour';
import { flipPixels } from '../../../src/data/augment/flip';
import { operations } from '../../../src/data/augment/randAugment';
import { erase } from '../../../src/data/augment/randomErasing';
import { crop } from '../../../src/data/augment/randomResizedCrop';
import { adjustSharpness, autoContrast, equalize, posterize, solarize } from '../../../src/data/augment/tone';
import { resize } from '../../../src/data/resize';
import type { PixelImage } from '../../../src/data/types';

// torchvision's transforms of PIL pictures; made by scripts/make_augment_goldens.py.
const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../../goldens/augment.json'), 'utf8'));

type Packed = { width: number; height: number; data: string };
const unpacked = ({ width, height, data }: Packed): PixelImage => ({
  data: new Uint8Array(Buffer.from(data, 'base64')),
  ...{ width, height, channels: 3 },
});
const picture = unpacked(golden.picture);
const fill = [9, 8, 7] as const;

/** What we do by the name of the case, with the numbers behind it. */
const ours: Record<string, (...numbers: number[]) => PixelImage> = {
  flip: () => flipPixels(picture),
  grayscale: () => grayscalePixels(picture),
  crop: () => crop(picture, { left: 5, top: 3, width: 12, height: 10 }),
  resizedCrop: () => resize(crop(picture, { left: 5, top: 3, width: 12, height: 10 }), 9, 14, 'bilinear'),
  erase: () => erase(picture, { left: 6, top: 4, width: 7, height: 5 }, (_, channel) => [10, 20, 30][channel]!),
  autoContrast: () => autoContrast({ ...picture, data: picture.data.map((value) => Math.floor(value / 2) + 20) }),
  equalize: () => equalize(picture),
  translate: () => transformAffine(picture, [1, 0, -5, 0, 1, 3], 'nearest', fill),
  shearX: () => operations.shearX!.apply(picture, 0.21, fill),
  shearY: () => operations.shearY!.apply(picture, -0.17, fill),
  brightness: (factor) => adjustBrightness(picture, factor!),
  contrast: (factor) => adjustContrast(picture, factor!),
  saturation: (factor) => adjustSaturation(picture, factor!),
  hue: (shift) => adjustHue(picture, shift!),
  sharpness: (factor) => adjustSharpness(picture, factor!),
  posterize: (bits) => posterize(picture, bits!),
  solarize: (threshold) => solarize(picture, threshold!),
  'rotate bilinear': (degrees) => rotatePixels(picture, degrees!, 'bilinear', fill),
  'rotate nearest': (degrees) => rotatePixels(picture, degrees!, 'nearest', fill),
  blur: (size, sigma) => gaussianBlur(picture, size!, sigma!),
};

test.each(Object.keys(golden.cases))('%s is the pixels of torchvision', (name) => {
  const numbers = name.match(/-?[\d.]+/g)?.map(Number) ?? [];
  const found = ours[name.replace(/( -?[\d.]+)+$/, '')]!(...numbers);
  const expected = unpacked(golden.cases[name]);
  expect([found.width, found.height, found.channels]).toEqual([expected.width, expected.height, 3]);
  const differences = Array.from(found.data, (value, i) => Math.abs(value - expected.data[i]!));
  const wrong = differences.filter((difference) => difference > 0).length;
  expect({ wrong, most: Math.max(...differences) }).toEqual({ wrong: 0, most: 0 });
});

describe('RandAugment', () => {
  const names: Record<string, string> = { color: 'colour' };
  test.each(Object.keys(golden.randAugment))('%s has the strengths of torchvision', (theirs) => {
    const name = theirs[0]!.toLowerCase() + theirs.slice(1);
    const { strengths, signed } = golden.randAugment[theirs];
    const operation = operations[names[name] ?? name]!;
    expect(operation.signed).toBe(signed);
    for (const [bin, strength] of strengths.entries())
      expect(operation.strength(bin / 30, picture)).toBeCloseTo(strength, 4);
  });

  test('has all of its operations and no others', () =>
    expect(Object.keys(operations)).toHaveLength(Object.keys(golden.randAugment).length));
});
