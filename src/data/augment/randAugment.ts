import { expectWhole, UsageError } from '../../core/errors';
import type { PixelImage } from '../types';
import { type Affine, type Colour, rotatePixels, transformAffine } from './affine';
import { adjustBrightness, adjustContrast, adjustSaturation } from './colour';
import { below, happens } from './draws';
import { adjustSharpness, autoContrast, equalize, posterize, solarize } from './tone';
import type { Transform } from './types';

type Size = Pick<PixelImage, 'width' | 'height'>;

/** `strength` is what it reaches at a share of the scale in [0, 1]; a signed one goes either way. */
type Operation = {
  strength(share: number, size: Size): number;
  signed: boolean;
  apply(image: PixelImage, strength: number, fill: Colour): PixelImage;
};

const shift = (matrix: Affine) => (image: PixelImage, fill: Colour) => transformAffine(image, matrix, 'nearest', fill);
const factor = (adjust: (image: PixelImage, factor: number) => PixelImage): Operation => ({
  strength: (share) => 0.9 * share,
  signed: true,
  apply: (image, strength) => adjust(image, 1 + strength),
});
const plain = (apply: (image: PixelImage) => PixelImage): Operation => ({
  strength: () => 0,
  signed: false,
  apply,
});

/** The fourteen operations and their strengths. @see torchvision, `RandAugment._augmentation_space` */
export const operations: Readonly<Record<string, Operation>> = {
  identity: plain((image) => image),
  shearX: {
    strength: (share) => 0.3 * share,
    signed: true,
    apply: (image, by, fill) => shift([1, by, 0, 0, 1, 0])(image, fill),
  },
  shearY: {
    strength: (share) => 0.3 * share,
    signed: true,
    apply: (image, by, fill) => shift([1, 0, 0, by, 1, 0])(image, fill),
  },
  translateX: {
    strength: (share, { width }) => (150 / 331) * width * share,
    signed: true,
    apply: (image, by, fill) => shift([1, 0, -Math.trunc(by), 0, 1, 0])(image, fill),
  },
  translateY: {
    strength: (share, { height }) => (150 / 331) * height * share,
    signed: true,
    apply: (image, by, fill) => shift([1, 0, 0, 0, 1, -Math.trunc(by)])(image, fill),
  },
  rotate: {
    strength: (share) => 30 * share,
    signed: true,
    apply: (image, by, fill) => rotatePixels(image, by, 'nearest', fill),
  },
  brightness: factor(adjustBrightness),
  colour: factor(adjustSaturation),
  contrast: factor(adjustContrast),
  sharpness: factor(adjustSharpness),
  posterize: { strength: (share) => 8 - roundToEven(4 * share), signed: false, apply: posterize },
  solarize: { strength: (share) => 255 * (1 - share), signed: false, apply: solarize },
  autoContrast: plain(autoContrast),
  equalize: plain(equalize),
};

const names = Object.keys(operations);

/**
 * Some operations in a row, each drawn from fourteen, all at one strength.
 *
 * @see Cubuk et al. 2020, https://arxiv.org/abs/1909.13719; torchvision, `RandAugment` with 31 bins: the same operations and strengths.
 * A translation does not change `left` and `right` in captions; `flip` alone does.
 */
export function randAugment({
  operations: count = 2,
  magnitude = 9,
  fill = [0, 0, 0],
}: {
  /** How many, default 2. */
  operations?: number;
  /** Their strength, 0 to 30; default 9. */
  magnitude?: number;
  /** Colour of what comes in from outside, default black. */
  fill?: Colour;
} = {}): Transform {
  expectWhole('operations', count, 1);
  if (!(magnitude >= 0 && magnitude <= 30))
    throw new UsageError(`magnitude is ${magnitude} but should be from 0 to 30.`);
  return {
    name: 'randaugment',
    options: { operations: count, magnitude, fill },
    draw(random) {
      const drawn = Array.from({ length: count }, (_, place) => {
        const own = random.fork(place);
        const operation = operations[names[below(own, 'operation', names.length)]!]!;
        return { operation, sign: operation.signed && happens(own, 0.5) ? -1 : 1 };
      });
      return {
        pixels: (image) =>
          drawn.reduce(
            (picture, { operation, sign }) =>
              operation.apply(picture, sign * operation.strength(magnitude / 30, picture), fill),
            image,
          ),
      };
    },
  };
}

/** To the nearest whole number, from the middle to the even one. */
function roundToEven(value: number): number {
  const nearest = Math.round(value);
  return nearest - value === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest;
}
