import { augmentWith, describe } from '../data/augment/augment';
import { transformsOf } from '../data/augment/named';
import type { Augmentation, Transform } from '../data/augment/types';
import { toPixels } from '../data/pixels';
import { type PictureThreadsOptions, pictureThreads } from './pictureThreads';

export type AugmentThreadsOptions = PictureThreadsOptions;

export type AugmentThreads = Augmentation & { close(): Promise<void> };

/**
 * `augment` in threads, so that pictures are changed while a native engine computes: the same pictures, whatever their number.
 * Pictures of data that is read in threads (`pictureThreads`) are changed there, those of other data in threads of its own.
 *
 * @throws UsageError for transforms that are not of this library, which threads do not know
 */
export function augmentThreads(transforms: readonly Transform[], options: AugmentThreadsOptions = {}): AugmentThreads {
  const description = describe(transforms);
  transformsOf(description);
  const own = pictureThreads(options);
  return {
    ...augmentWith(transforms, ({ id, image }, seed) => {
      if (image.changed) return image.changed(description, seed);
      return own.image(async () => ({ pixels: await toPixels(await image()) }), id).changed(description, seed);
    }),
    close: () => own.close(),
  };
}
