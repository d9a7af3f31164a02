import { DataError, UsageError } from '../core/errors';
import { hex, sha256 } from '../core/hash';
import type { PixelPreprocessing } from './pixels';
import { resize } from './resize';
import type { FittedImage, PixelImage } from './types';

/** What of a preprocessing says how a picture comes to the size of an encoder's input. */
export type Fit = Omit<PixelPreprocessing, 'mean' | 'scale'>;

/**
 * A picture resized and cropped to the size of an encoder's input; one that is fitted already comes back as it is.
 *
 * @throws DataError where it has to have that size already and has another; UsageError where it was fitted otherwise
 * @see transformers, `image_transforms.py`: `get_resize_output_image_size`, `center_crop`; torchvision, `functional.py`: the same names
 */
export function fitPixels(image: PixelImage | FittedImage, fit: Fit): PixelImage {
  if ('fit' in image) {
    if (image.fit === describeFit(fit)) return image;
    throw new UsageError(
      `A picture was fitted as ${image.fit}, but this encoder reads ${describeFit(fit)}. Read it anew.`,
    );
  }
  const { size, resize: target = 'squash', crop, filter = 'bilinear' } = fit;
  const [height, width] = size;
  const resized = target === 'none' ? image : resize(image, ...resizedSize(image, target, size), filter);
  if (resized.width === width && resized.height === height) return resized;
  if (crop) return cropped(resized, width, height, crop);
  if (target === 'none')
    throw new DataError(
      `A picture has ${image.width} x ${image.height} pixels, but this preprocessing does not resize and needs ${width} x ${height}. Resize it first.`,
    );
  throw new UsageError(
    `The preprocessing resizes to ${resized.width} x ${resized.height} but the encoder reads ${width} x ${height}. Add crop, or resize to that size.`,
  );
}

/** `fitPixels` of RGB pixels with `alpha` as wanted, said of the result so that it is not done again. */
export async function fittedImage(image: PixelImage, fit: Fit): Promise<FittedImage> {
  const key = await pictureKey(image);
  return { ...fitPixels(image, fit), fit: describeFit(fit), key };
}

/** A fit as text: the same for the same result. */
export function describeFit({ size, resize = 'squash', crop, filter = 'bilinear', alpha = 'white' }: Fit): string {
  return JSON.stringify({ size, resize, crop, filter, alpha });
}

/** Names pixels by their values: the first 128 bits of SHA-256, hexadecimal. */
export async function pictureKey({ data, width, height }: PixelImage): Promise<string> {
  return hex((await sha256([Uint32Array.of(width, height), data])).subarray(0, 16));
}

function resizedSize(
  { width, height }: PixelImage,
  target: Exclude<PixelPreprocessing['resize'], 'none' | undefined>,
  size: readonly [height: number, width: number],
): [width: number, height: number] {
  if (target === 'squash') return [size[1], size[0]];
  if ('height' in target) return [target.width, target.height];
  const { shortestEdge: edge } = target;
  // Multiplied before it is divided, as the references do: the other order rounds differently.
  return width <= height ? [edge, Math.trunc((edge * height) / width)] : [Math.trunc((edge * width) / height), edge];
}

/** The middle of a picture, on black where the picture is smaller. */
function cropped(image: PixelImage, width: number, height: number, rounding: 'floor' | 'round'): PixelImage {
  const { data, channels } = image;
  const left = firstPixel(image.width - width, rounding);
  const top = firstPixel(image.height - height, rounding);
  const from = Math.max(0, -left);
  const to = Math.min(width, image.width - left);
  const result = new Uint8Array(width * height * channels);
  for (let y = Math.max(0, -top); y < Math.min(height, image.height - top); y++) {
    const start = (y + top) * image.width + left;
    result.set(data.subarray((start + from) * channels, (start + to) * channels), (y * width + from) * channels);
  }
  return { data: result, width, height, channels };
}

/** Where the crop begins in the picture, negative where the picture is smaller by `-excess` pixels. */
function firstPixel(excess: number, rounding: 'floor' | 'round'): number {
  if (rounding === 'floor') return Math.floor(excess / 2);
  if (excess < 0) return -Math.floor(-excess / 2);
  const half = Math.floor(excess / 2);
  return excess % 2 === 1 && half % 2 === 1 ? half + 1 : half; // from the middle to the even one
}
