import { DataError, UsageError } from '../core/errors';
import type { Filter, Preprocessing } from '../core/preprocessing';
import { drawnPixels } from './drawn';
import { fitPixels } from './fit';
import type { Image, PixelImage } from './types';

/** What is needed of an encoder's preprocessing to make its input; by default both sides are resized to `size`. */
export type PixelPreprocessing = {
  size: readonly [height: number, width: number];
  resize?: Preprocessing['resize'];
  crop?: Preprocessing['crop'];
  filter?: Filter;
  alpha?: Preprocessing['alpha'];
  /** A pixel value p of 0..255 enters as (p - mean) * scale; three numbers are those of red, green and blue. */
  mean: number | readonly [red: number, green: number, blue: number];
  scale: number | readonly [red: number, green: number, blue: number];
};

/**
 * The RGB pixels of any picture: grey is repeated, and what is transparent is laid on white or, with `alpha: 'drop'`, shown as if
 * it were not, as the preprocessing of published models does.
 *
 * Browser pictures (Blob, ImageBitmap, canvas, `<img>`, `<video>`) are drawn, upright by their EXIF orientation and without
 * their colour profile. In Node read files with `readImage` of `tfjs-captioning/node`.
 *
 * @throws DataError where the pixels do not fit the size, or the picture does not decode or belongs to another site
 */
export async function toPixels(
  image: Image,
  { alpha = 'white' }: Pick<PixelPreprocessing, 'alpha'> = {},
): Promise<PixelImage> {
  if ('channels' in image) return toRGB(image, alpha);
  // ImageData has its pixels at hand too; it is always RGBA and says nothing of channels.
  if ('data' in image) {
    const { data, width, height } = image;
    return toRGB({ data: data as Uint8ClampedArray, width, height, channels: 4 }, alpha);
  }
  if (typeof createImageBitmap === 'undefined' || typeof OffscreenCanvas === 'undefined')
    throw new UsageError(
      'This picture can only be drawn in a browser. In Node pass pixels, such as those that readImage of tfjs-captioning/node gives.',
    );
  try {
    return toRGB(await drawnPixels(image), alpha);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new DataError(
      `The picture cannot be read: ${(error as Error).message}. It has to be loaded, in a format that the browser shows, ` +
        'and from this site or one that allows its use (CORS).',
      { cause: error },
    );
  }
}

/**
 * The input of an encoder: each picture is resized, cropped where the preprocessing says so, and its values shifted and scaled.
 *
 * @throws DataError where a picture has to have the encoder's size and has another
 * @returns [batch, height, width, 3], flat
 */
export function normalisePixels(images: readonly PixelImage[], preprocessing: PixelPreprocessing): Float32Array {
  const [height, width] = preprocessing.size;
  const entering = [0, 1, 2].map((channel) => {
    const [mean, scale] = [preprocessing.mean, preprocessing.scale].map((of) =>
      typeof of === 'number' ? of : of[channel]!,
    ) as [number, number];
    return Float32Array.from({ length: 256 }, (_, p) => (p - mean) * scale);
  });
  const each = height * width * 3;
  const batch = new Float32Array(images.length * each);
  images.forEach((image, index) => {
    const { data } = fitPixels(toRGB(image, preprocessing.alpha), preprocessing);
    for (let i = 0; i < each; i++) batch[index * each + i] = entering[i % 3]![data[i]!]!;
  });
  return batch;
}

/**
 * Grey and RGBA to RGB, transparent parts on white or as if they were not transparent; RGB comes back as it is.
 *
 * @throws DataError where the pixels do not fit the size
 */
export function toRGB(image: PixelImage, alpha: Preprocessing['alpha'] = 'white'): PixelImage {
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
    const opaque = channels === 4 && alpha === 'white' ? data[from + 3]! / 255 : 1;
    for (let c = 0; c < 3; c++) {
      const value = data[channels === 1 ? from : from + c]!;
      rgb[pixel * 3 + c] = Math.round(value * opaque + 255 * (1 - opaque));
    }
  }
  return { data: rgb, width, height, channels: 3 };
}
