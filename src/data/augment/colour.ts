import type { PixelImage } from '../types';

/** Brightness of a colour, 0 to 255, as PIL's `convert('L')` (ITU-R 601-2, in 16 fractional bits). */
export const luma = (red: number, green: number, blue: number) =>
  (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;

/** Every pixel on its own. @param change - writes the new colour into `to` at `at` */
export function mapPixels(
  { data, width, height }: PixelImage,
  change: (red: number, green: number, blue: number, to: Uint8Array, at: number) => void,
): PixelImage {
  const changed = new Uint8Array(data.length);
  for (let at = 0; at < data.length; at += 3) change(data[at]!, data[at + 1]!, data[at + 2]!, changed, at);
  return { data: changed, width, height, channels: 3 };
}

/** Every value by a table of 256, or red, green and blue by one each. */
export function mapValues(image: PixelImage, tables: readonly ArrayLike<number>[]): PixelImage {
  const [red, green = red, blue = red] = tables;
  return mapPixels(image, (r, g, b, to, at) => {
    to[at] = red![r]!;
    to[at + 1] = green![g]!;
    to[at + 2] = blue![b]!;
  });
}

/** from + factor * (value - from) in float32, cut off to 8 bits, as PIL's `Image.blend`. */
export function blend(from: number, value: number, factor: number): number {
  const mixed = Math.fround(from + Math.fround(Math.fround(factor) * (value - from)));
  return mixed <= 0 ? 0 : mixed >= 255 ? 255 : Math.trunc(mixed);
}

/** The grey of equal brightness in all three channels. */
export function grayscalePixels(image: PixelImage): PixelImage {
  return mapPixels(image, (r, g, b, to, at) => {
    to.fill(luma(r, g, b), at, at + 3);
  });
}

/** 0 is black, 1 the picture, above 1 brighter. @see PIL, `ImageEnhance.Brightness` */
export function adjustBrightness(image: PixelImage, factor: number): PixelImage {
  return mapValues(image, [Uint8Array.from({ length: 256 }, (_, value) => blend(0, value, factor))]);
}

/** 0 is the mean grey, 1 the picture. @see PIL, `ImageEnhance.Contrast` */
export function adjustContrast(image: PixelImage, factor: number): PixelImage {
  const { data } = image;
  let sum = 0;
  for (let at = 0; at < data.length; at += 3) sum += luma(data[at]!, data[at + 1]!, data[at + 2]!);
  const mean = Math.trunc(sum / (data.length / 3) + 0.5);
  return mapValues(image, [Uint8Array.from({ length: 256 }, (_, value) => blend(mean, value, factor))]);
}

/** 0 is grey, 1 the picture. @see PIL, `ImageEnhance.Color` */
export function adjustSaturation(image: PixelImage, factor: number): PixelImage {
  return mapPixels(image, (r, g, b, to, at) => {
    const grey = luma(r, g, b);
    to[at] = blend(grey, r, factor);
    to[at + 1] = blend(grey, g, factor);
    to[at + 2] = blend(grey, b, factor);
  });
}

/**
 * Turns every colour by a share of the colour circle.
 *
 * @param shift - from -0.5 to 0.5
 * @see torchvision, `adjust_hue` of a PIL picture: hue has 8 bits, and the shift is cut off to these
 */
export function adjustHue(image: PixelImage, shift: number): PixelImage {
  const turn = Math.trunc(shift * 255);
  return mapPixels(image, (r, g, b, to, at) => {
    const value = Math.max(r, g, b);
    const range = value - Math.min(r, g, b);
    const saturation = value === 0 ? 0 : Math.trunc(Math.fround(Math.fround(range / value) * 255));
    const hue = (hueOf(r, g, b, value, range) + turn) & 255;
    colourOf(hue, saturation, value, to, at);
  });
}

/** 0 to 255, as PIL's `convert('HSV')`. */
function hueOf(r: number, g: number, b: number, most: number, range: number): number {
  if (range === 0) return 0;
  const [cr, cg, cb] = [r, g, b].map((value) => Math.fround((most - value) / range)) as [number, number, number];
  const sixth = r === most ? Math.fround(cb - cg) : g === most ? Math.fround(2 + cr - cb) : Math.fround(4 + cg - cr);
  return Math.min(255, Math.trunc(Math.fround((sixth / 6 + 1) % 1) * 255));
}

/** Of hue, saturation and value of 8 bits each, as PIL's conversion from HSV. */
function colourOf(hue: number, saturation: number, value: number, to: Uint8Array, at: number): void {
  const turned = Math.fround((hue * 6) / 255);
  const sector = Math.floor(turned);
  const within = Math.fround(turned - sector);
  const share = Math.fround(saturation / 255);
  const low = Math.round(value * (1 - share));
  const falling = Math.round(value * (1 - share * within));
  const rising = Math.round(value * (1 - share * (1 - within)));
  const colours = [
    [value, rising, low],
    [falling, value, low],
    [low, value, rising],
    [low, falling, value],
    [rising, low, value],
    [value, low, falling],
  ];
  const [red, green, blue] = saturation === 0 ? [value, value, value] : colours[sector % 6]!;
  to[at] = red!;
  to[at + 1] = green!;
  to[at + 2] = blue!;
}
