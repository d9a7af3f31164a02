import { DataError, UsageError } from '../core/errors';
import { resizeBilinear } from './resize';
import type { Image, PixelImage } from './types';

/** What is needed of an encoder's preprocessing to make its input. */
export type PixelPreprocessing = {
  size: readonly [height: number, width: number];
  /** A pixel value p of 0..255 enters as (p - mean) * scale. */
  mean: number;
  scale: number;
};

/**
 * The RGB pixels of any picture: grey is repeated, what is transparent is laid on white.
 *
 * Browser pictures (Blob, ImageBitmap, canvas, `<img>`, `<video>`) are drawn on an OffscreenCanvas, upright by their
 * EXIF orientation. In Node read files with `readImage` of `tfjs-captioning/node`.
 *
 * @throws DataError where the pixels do not fit the size, or the picture does not decode or belongs to another site
 */
export async function toPixels(image: Image): Promise<PixelImage> {
  if ('channels' in image) return toRGB(image);
  // ImageData has its pixels at hand too; it is always RGBA and says nothing of channels.
  if ('data' in image) {
    const { data, width, height } = image;
    return toRGB({ data: data as Uint8ClampedArray, width, height, channels: 4 });
  }
  if (typeof createImageBitmap === 'undefined' || typeof OffscreenCanvas === 'undefined')
    throw new UsageError(
      'This picture can only be drawn in a browser. In Node pass pixels, such as those that readImage of tfjs-captioning/node gives.',
    );
  let bitmap: ImageBitmap | undefined;
  try {
    bitmap = await createImageBitmap(image, { imageOrientation: 'from-image' });
    return draw(bitmap);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new DataError(
      `The picture cannot be read: ${(error as Error).message}. It has to be loaded, in a format that the browser shows, ` +
        'and from this site or one that allows its use (CORS).',
      { cause: error },
    );
  } finally {
    bitmap?.close();
  }
}

/**
 * The input of an encoder: each picture is resized, without cropping, and its values shifted and scaled.
 *
 * @returns [batch, height, width, 3], flat
 */
export function normalisePixels(images: readonly PixelImage[], preprocessing: PixelPreprocessing): Float32Array {
  const [height, width] = preprocessing.size;
  const entering = Float32Array.from({ length: 256 }, (_, p) => (p - preprocessing.mean) * preprocessing.scale);
  const each = height * width * 3;
  const batch = new Float32Array(images.length * each);
  images.forEach((image, index) => {
    const { data } = resizeBilinear(toRGB(image), width, height);
    for (let i = 0; i < each; i++) batch[index * each + i] = entering[data[i]!]!;
  });
  return batch;
}

/**
 * Grey and RGBA to RGB, transparent parts on white; RGB comes back as it is.
 *
 * @throws DataError where the pixels do not fit the size
 */
export function toRGB(image: PixelImage): PixelImage {
  const { data, width, height, channels } = image;
  if (![1, 3, 4].includes(channels) || !(width > 0) || !(height > 0) || data.length !== width * height * channels)
    throw new DataError(
      `A picture has ${data.length} values but says ${width} x ${height} pixels of ${channels} channels. ` +
        'Give width * height * channels values, row by row, channels 1 (grey), 3 (RGB) or 4 (RGBA).',
    );
  if (channels === 3) return image;
  const rgb = new Uint8Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const from = pixel * channels;
    const alpha = channels === 4 ? data[from + 3]! / 255 : 1;
    for (let c = 0; c < 3; c++) {
      const value = data[channels === 1 ? from : from + c]!;
      rgb[pixel * 3 + c] = Math.round(value * alpha + 255 * (1 - alpha));
    }
  }
  return { data: rgb, width, height, channels: 3 };
}

function draw(bitmap: ImageBitmap): PixelImage {
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (!context) throw new UsageError('This browser has no 2D canvas, so it cannot read pictures. Pass pixels instead.');
  context.drawImage(bitmap, 0, 0);
  return toRGB({ data: context.getImageData(0, 0, width, height).data, width, height, channels: 4 });
}
