import { afterEach, expect, test, vi } from 'vitest';
import { DataError, UsageError } from '../../src/core/errors';
import { normalisePixels, toPixels, toRGB } from '../../src/data/pixels';
import { resizeBilinear } from '../../src/data/resize';
import { expectClose } from '../helpers';
import { pattern } from './pattern';

afterEach(() => vi.unstubAllGlobals());

test('RGB pixels pass, grey is repeated, transparent parts are laid on white', async () => {
  const rgb = pattern(3, 2);
  expect(await toPixels(rgb)).toBe(rgb);
  const grey = await toPixels({ data: Uint8Array.of(10, 200), width: 2, height: 1, channels: 1 });
  expect(grey).toEqual({ data: Uint8Array.of(10, 10, 10, 200, 200, 200), width: 2, height: 1, channels: 3 });
  const rgba = Uint8Array.of(10, 20, 30, 255, 10, 20, 30, 0, 100, 0, 255, 51);
  const flat = await toPixels({ data: rgba, width: 3, height: 1, channels: 4 });
  expect([...flat.data]).toEqual([10, 20, 30, 255, 255, 255, 224, 204, 255]);
});

test('ImageData, which says nothing of channels, is RGBA', async () => {
  const imageData = { data: Uint8ClampedArray.of(1, 2, 3, 255), width: 1, height: 1, colorSpace: 'srgb' } as ImageData;
  expect([...(await toPixels(imageData)).data]).toEqual([1, 2, 3]);
});

test('pixels that do not fit their size are refused', () => {
  const wrong = (change: object) => () => toRGB({ ...pattern(3, 2), ...change });
  expect(wrong({ width: 4 })).toThrow(DataError);
  expect(wrong({ width: 4 })).toThrow(/18 values but says 4 x 2 pixels of 3 channels/);
  expect(wrong({ channels: 2, width: 9, height: 1 })).toThrow(DataError);
  expect(wrong({ data: new Uint8Array(0), width: 0 })).toThrow(DataError);
});

test('a picture that only a browser can draw is refused in Node', async () => {
  await expect(toPixels(new Blob(['x']))).rejects.toThrow(UsageError);
  await expect(toPixels(new Blob(['x']))).rejects.toThrow(/readImage of tfjs-captioning\/node/);
});

test('the input of an encoder is resized, shifted and scaled, picture by picture', () => {
  const images = [pattern(9, 7), pattern(4, 3)];
  const batch = normalisePixels(images, { size: [3, 4], mean: 127.5, scale: 1 / 127.5 });
  const expected = images.flatMap((image) => [...resizeBilinear(image, 4, 3).data].map((p) => (p - 127.5) / 127.5));
  expectClose(batch, expected, 1e-7);
  expect(normalisePixels([], { size: [3, 4], mean: 0, scale: 1 })).toHaveLength(0);
});

test('in a browser a picture is drawn upright, laid on white, and let go', async () => {
  const close = vi.fn();
  const createImageBitmap = vi.fn(async () => ({ width: 2, height: 1, close }));
  const getImageData = vi.fn(() => ({ data: Uint8ClampedArray.of(1, 2, 3, 255, 9, 9, 9, 0) }));
  class OffscreenCanvas {
    getContext = (kind: string) => (kind === '2d' ? { drawImage: () => {}, getImageData } : null);
  }
  vi.stubGlobal('createImageBitmap', createImageBitmap);
  vi.stubGlobal('OffscreenCanvas', OffscreenCanvas);
  const blob = new Blob(['x']);
  const pixels = await toPixels(blob);
  expect(createImageBitmap).toHaveBeenCalledWith(blob, {
    imageOrientation: 'from-image',
    premultiplyAlpha: 'none',
    colorSpaceConversion: 'none',
  });
  expect(pixels).toEqual({ data: Uint8Array.of(1, 2, 3, 255, 255, 255), width: 2, height: 1, channels: 3 });
  getImageData.mockImplementation(() => {
    throw new Error('tainted');
  });
  await expect(toPixels(blob)).rejects.toThrow(/cannot be read: tainted.*CORS/);
  expect(close).toHaveBeenCalledTimes(2);
});
