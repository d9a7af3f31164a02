import { describe, expect, test } from 'vitest';
import { DataError, UsageError } from '../../src/core/errors';
import { fitPixels } from '../../src/data/fit';
import {
  loadPreprocessing,
  preprocessingOf,
  timmPreprocessing,
  torchvisionPreprocessing,
} from '../../src/data/preprocessing';
import { resize } from '../../src/data/resize';
import { memoryStore } from '../../src/io/stores';
import { expectClose } from '../helpers';
import { pattern } from './pattern';

describe('a preprocessor_config.json', () => {
  test.each<[string, object, object]>([
    ['nothing', {}, { size: [224, 224], resize: 'squash', filter: 'bilinear' }],
    [
      'the old form of ViT',
      { feature_extractor_type: 'ViTFeatureExtractor', size: 384 },
      { size: [384, 384], resize: 'squash' },
    ],
    [
      'the old form of CLIP',
      { feature_extractor_type: 'CLIPFeatureExtractor', size: 336, crop_size: 336, do_center_crop: true, resample: 3 },
      { size: [336, 336], resize: { shortestEdge: 336 }, crop: 'floor', filter: 'bicubic' },
    ],
    [
      'an old file without a type',
      { size: 96, do_center_crop: true, crop_size: 64 },
      { size: [64, 64], resize: { shortestEdge: 96 } },
    ],
    [
      'the new form, and a fast processor',
      {
        image_processor_type: 'CLIPImageProcessorFast',
        size: { shortest_edge: 32 },
        crop_size: { height: 24, width: 28 },
      },
      { size: [24, 28], resize: { shortestEdge: 32 }, crop: 'floor' },
    ],
    [
      'SigLIP',
      { image_processor_type: 'SiglipImageProcessor', size: { height: 16, width: 20 } },
      { size: [16, 20], filter: 'bicubic' },
    ],
    [
      'DeiT',
      { image_processor_type: 'DeiTImageProcessor' },
      { size: [224, 224], resize: { height: 256, width: 256 }, crop: 'floor' },
    ],
    ['BLIP', { image_processor_type: 'BlipImageProcessor' }, { size: [384, 384], resize: 'squash', filter: 'bicubic' }],
    [
      'large ConvNext',
      { image_processor_type: 'ConvNextImageProcessor', size: { shortest_edge: 384 } },
      { size: [384, 384], resize: 'squash' },
    ],
    [
      'small ConvNext',
      { image_processor_type: 'ConvNextImageProcessor', size: 224 },
      { size: [224, 224], resize: { shortestEdge: 256 }, crop: 'floor' },
    ],
    [
      'MobileNetV2',
      { image_processor_type: 'MobileNetV2ImageProcessor' },
      { size: [224, 224], resize: { shortestEdge: 256 } },
    ],
    ['EfficientNet', { image_processor_type: 'EfficientNetImageProcessor' }, { size: [346, 346], filter: 'nearest' }],
    [
      'no resizing',
      { image_processor_type: 'ViTImageProcessor', do_resize: false },
      { size: [224, 224], resize: 'none' },
    ],
  ])('%s', (_, config, expected) => {
    expect(preprocessingOf(config)).toMatchObject({ alpha: 'drop', ...expected });
  });

  test('scaling in every combination is one shift and one factor', () => {
    const [mean, std] = [
      [0.4, 0.5, 0.6],
      [0.2, 0.3, 0.4],
    ];
    const base = { image_processor_type: 'ViTImageProcessor', image_mean: mean, image_std: std };
    const enters = (config: object, p: number, channel: 0 | 1 | 2) => {
      const found = preprocessingOf({ ...base, ...config });
      return (p - (found.mean as number[])[channel]!) * (found.scale as number[])[channel]!;
    };
    for (const channel of [0, 1, 2] as const) {
      expect(enters({}, 90, channel)).toBeCloseTo((90 / 255 - mean[channel]!) / std[channel]!, 6);
      expect(enters({ do_rescale: false }, 90, channel)).toBeCloseTo((90 - mean[channel]!) / std[channel]!, 4);
      expect(enters({ do_normalize: false }, 90, channel)).toBeCloseTo(90 / 255, 6);
      expect(enters({ rescale_factor: 1 / 127.5 }, 90, channel)).toBeCloseTo(
        (90 / 127.5 - mean[channel]!) / std[channel]!,
        6,
      );
      const efficient = {
        image_processor_type: 'EfficientNetImageProcessor',
        rescale_factor: 1 / 127.5,
        rescale_offset: true,
      };
      const once = (90 / 127.5 - 1 - mean[channel]!) / std[channel]!;
      expect(enters(efficient, 90, channel)).toBeCloseTo(once / std[channel]!, 5);
      expect(enters({ ...efficient, include_top: false }, 90, channel)).toBeCloseTo(once, 5);
    }
  });

  test.each<[string, unknown, RegExp]>([
    ['no object', 3, /not what it should be/],
    ['an unknown processor', { image_processor_type: 'DonutImageProcessor' }, /not built, 'Donut'\. Built are ViT/],
    ['an unknown step', { do_pad: true }, /asks for do_pad/],
    ['a side by the longer edge', { size: { longest_edge: 9 } }, /size \{"longest_edge":9\}, which is not built/],
    [
      'no crop of what has no size',
      { image_processor_type: 'CLIPImageProcessor', do_center_crop: false },
      /different sizes/,
    ],
    ['an unknown filter', { resample: 9 }, /resample 9/],
    ['two channels', { image_mean: [1, 2] }, /image_mean \[1,2\]/],
    ['a deviation of zero', { image_std: [0, 1, 1] }, /not above 0/],
  ])('%s is refused', (_, config, message) => {
    expect(() => preprocessingOf(config)).toThrow(DataError);
    expect(() => preprocessingOf(config)).toThrow(message);
  });

  test('is read from a store', async () => {
    const store = memoryStore();
    await expect(loadPreprocessing(store)).rejects.toThrow(/'preprocessor_config.json' is not in memory/);
    await store.write('config.json', new TextEncoder().encode('{"pretrained_cfg": {"input_size": [3, 32, 32]}}'));
    expect((await loadPreprocessing(store)).resize).toEqual({ shortestEdge: 36 });
    await store.write('processor_config.json', new TextEncoder().encode('{"image_processor": {"size": 48}}'));
    expect((await loadPreprocessing(store)).size).toEqual([48, 48]);
    await store.write('preprocessor_config.json', new TextEncoder().encode('{"size": 64'));
    await expect(loadPreprocessing(store)).rejects.toThrow(/is not JSON/);
    await store.write('preprocessor_config.json', new TextEncoder().encode('{"size": 64}'));
    expect((await loadPreprocessing(store)).size).toEqual([64, 64]);
  });
});

test("timm's and torchvision's settings", () => {
  const timm = timmPreprocessing({ input_size: [3, 224, 224], interpolation: 'bicubic', crop_pct: 0.95 });
  expect(timm).toMatchObject({ size: [224, 224], resize: { shortestEdge: 235 }, crop: 'round', filter: 'bicubic' });
  expect(
    preprocessingOf({ pretrained_cfg: { input_size: [3, 224, 224], interpolation: 'bicubic', crop_pct: 0.95 } }),
  ).toEqual(timm);
  expect(() => timmPreprocessing({ input_size: [3, 224, 256] })).toThrow(DataError);
  expect(() => timmPreprocessing({ interpolation: 'random' })).toThrow(DataError);
  const { mean, scale } = torchvisionPreprocessing({ resize: 256, crop: 224 });
  expectClose(mean as number[], [123.675, 116.28, 103.53], 1e-9);
  expectClose(scale as number[], [1 / 58.395, 1 / 57.12, 1 / 57.375], 1e-9);
});

describe('a picture is made to fit', () => {
  const shared = { filter: 'bilinear', resize: 'none' } as const;

  test.each([
    ['floor', 9, 4, 2],
    ['round', 9, 4, 2],
    ['floor', 7, 4, 1],
    ['round', 7, 4, 2],
  ] as const)('by cutting out the middle, %s: of %i pixels %i from %i on', (crop, from, to, start) => {
    const image = pattern(from, 3);
    const { data, width, height } = fitPixels(image, { ...shared, size: [3, to], crop });
    expect([width, height]).toEqual([to, 3]);
    expect([...data.subarray(0, 3)]).toEqual([...image.data.subarray(start * 3, start * 3 + 3)]);
  });

  test.each([
    ['floor', 2],
    ['round', 1],
  ] as const)('by laying it on black, %s', (crop, left) => {
    const image = pattern(2, 2);
    const { data } = fitPixels(image, { ...shared, size: [2, 5], crop });
    const row = Array.from({ length: 5 }, (_, x) => [...data.subarray(x * 3, x * 3 + 3)]);
    const expected = Array.from({ length: 5 }, (_, x) =>
      x >= left && x < left + 2 ? [...image.data.subarray((x - left) * 3, (x - left) * 3 + 3)] : [0, 0, 0],
    );
    expect(row).toEqual(expected);
  });

  test('by the shorter side, the longer one rounded down', () => {
    const image = pattern(10, 7);
    const { width, height } = fitPixels(image, { resize: { shortestEdge: 5 }, size: [5, 7] });
    expect([width, height]).toEqual([7, 5]);
    expect(() => fitPixels(image, { resize: { shortestEdge: 5 }, size: [5, 5] })).toThrow(UsageError);
    expect(() => fitPixels(image, { resize: 'none', size: [5, 5] })).toThrow(DataError);
    expect(fitPixels(image, { resize: 'none', size: [7, 10] })).toBe(image);
    expect(() => resize(image, 5, 5, 'cubic' as 'bicubic')).toThrow(/filter is 'cubic'/);
  });
});
