import { UsageError } from '../../core/errors';
import { Random } from '../../core/random';
import { toPixels, toRGB } from '../pixels';
import type { Example, OpenImage, PixelImage } from '../types';
import type { Augmentation, Change, Transform } from './types';

/**
 * One change after the other: `augment([flip(), randomResizedCrop({ scale: [0.5, 1] })])`.
 *
 * What a picture undergoes follows from the seed that it is given alone (`train` makes it from its seed, the epoch and the id of the
 * picture), so neither the order of the pictures nor the number of threads changes anything.
 */
export function augment(transforms: readonly Transform[]): Augmentation {
  return augmentWith(
    transforms,
    (example, seed) => async () => changePixels(await toPixels(await example.image()), transforms, seed),
  );
}

/**
 * `augment` with something else that changes the pixels, such as other threads.
 *
 * @param changed - the picture of an example after what `changePixels` does
 */
export function augmentWith(
  transforms: readonly Transform[],
  changed: (example: Example, seed: number) => OpenImage,
): Augmentation {
  if (transforms.length === 0) throw new UsageError('augment() needs a transform at least, such as augment([flip()]).');
  return {
    description: describe(transforms),
    apply(example, seed) {
      const changes = drawn(transforms, seed);
      if (changes.length === 0) return example;
      const captions = example.captions.map((caption) =>
        changes.reduce((text, change) => change.caption?.(text) ?? text, caption),
      );
      const view: Example['view'] = changes.length === 1 && changes[0]!.flips ? 'flipped' : 'random';
      return { ...example, captions, view, image: changed(example, seed) };
    },
  };
}

/** What `augment` does to the pixels of a picture. */
export function changePixels(image: PixelImage, transforms: readonly Transform[], seed: number): PixelImage {
  return drawn(transforms, seed).reduce((picture, change) => change.pixels(picture), toRGB(image));
}

const drawn = (transforms: readonly Transform[], seed: number): Change[] =>
  transforms.flatMap((transform, place) => transform.draw(new Random(seed).fork(place).fork(transform.name)) ?? []);

/** Transforms as JSON that `transformsOf` reads. */
export const describe = (transforms: readonly Transform[]) =>
  JSON.stringify(transforms.map(({ name, options }) => ({ name, ...options })));
