import { UsageError } from '../../core/errors';
import type { PixelImage } from '../types';
import { adjustBrightness, adjustContrast, adjustHue, adjustSaturation } from './colour';
import { between, expectProbability, expectRange, happens, type Range } from './draws';
import type { Transform } from './types';

const names = ['brightness', 'contrast', 'saturation', 'hue'] as const;
type Name = (typeof names)[number];

const adjust: Record<Name, (image: PixelImage, by: number) => PixelImage> = {
  brightness: adjustBrightness,
  contrast: adjustContrast,
  saturation: adjustSaturation,
  hue: adjustHue,
};

export type ColourJitterOptions = Partial<Record<Exclude<Name, 'hue'>, number>> & {
  /** Most of the colour circle by which colours turn either way, up to 0.5. Colours that captions name change with it: default 0. */
  hue?: number;
  /** How often it happens; default 1. */
  probability?: number;
};

/**
 * Changes brightness, contrast, saturation and hue, in a random order.
 *
 * @param options - `brightness`, `contrast` and `saturation` x: factors from 1 - x (0 at least) to 1 + x; default 0.4
 * @see torchvision, `ColorJitter`
 */
export function colourJitter({
  brightness = 0.4,
  contrast = 0.4,
  saturation = 0.4,
  hue = 0,
  probability = 1,
}: ColourJitterOptions = {}): Transform {
  for (const [name, value] of Object.entries({ brightness, contrast, saturation })) expectRange(name, [0, value], 0);
  if (!(hue >= 0 && hue <= 0.5)) throw new UsageError(`hue is ${hue} but should be from 0 to 0.5.`);
  expectProbability('probability', probability);
  const factors = (strength: number): Range => [Math.max(0, 1 - strength), 1 + strength];
  const ranges: Record<Name, Range> = {
    brightness: factors(brightness),
    contrast: factors(contrast),
    saturation: factors(saturation),
    hue: [-hue, hue],
  };
  return {
    name: 'colour',
    options: { brightness, contrast, saturation, hue, probability },
    draw(random) {
      if (!happens(random, probability)) return undefined;
      const order = random.fork('order').shuffle(names.filter((name) => ranges[name][0] !== ranges[name][1]));
      const by = order.map((name) => [name, between(random, name, ranges[name])] as const);
      return { pixels: (image) => by.reduce((picture, [name, value]) => adjust[name](picture, value), image) };
    },
  };
}
