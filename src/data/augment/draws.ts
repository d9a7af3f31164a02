import { UsageError } from '../../core/errors';
import type { Random } from '../../core/random';
import type { PixelImage } from '../types';

/** From the lower to the upper end. */
export type Range = readonly [from: number, to: number];

/** Throws a `UsageError` unless `value` is a probability. */
export function expectProbability(name: string, value: number): void {
  if (value >= 0 && value <= 1) return;
  throw new UsageError(`${name} is ${value} but should be from 0 to 1.`);
}

/** Throws a `UsageError` unless both ends are numbers of at least `least` in their order. */
export function expectRange(name: string, range: Range, least = -Infinity): void {
  const [from, to] = range;
  if (range.length === 2 && Number.isFinite(from) && Number.isFinite(to) && from >= least && from <= to) return;
  const bound = least === -Infinity ? '' : ` of at least ${least}`;
  throw new UsageError(`${name} is [${range}] but should be two numbers${bound}, the smaller one first.`);
}

/** Uniform in [from, to). */
export const between = (random: Random, name: string, [from, to]: Range): number =>
  from + random.fork(name).uniform(1)[0]! * (to - from);

/** A whole number in [0, count). */
export const below = (random: Random, name: string, count: number): number =>
  Math.min(count - 1, Math.floor(random.fork(name).uniform(1)[0]! * count));

export const happens = (random: Random, probability: number): boolean =>
  random.fork('happens').uniform(1)[0]! < probability;

/** A rectangle of a picture, in pixels. */
export type Box = { left: number; top: number; width: number; height: number };

/**
 * A rectangle of `scale` times the area of a picture and sides in `ratio` (width to height, uniform in its logarithm), anywhere
 * inside; nothing where ten of them did not fit.
 *
 * @see torchvision, `RandomResizedCrop.get_params`
 */
export function drawBox(random: Random, { width, height }: PixelImage, scale: Range, ratio: Range): Box | undefined {
  for (let attempt = 0; attempt < 10; attempt++) {
    const own = random.fork(attempt);
    const area = width * height * between(own, 'area', scale);
    const sides = Math.exp(between(own, 'ratio', [Math.log(ratio[0]), Math.log(ratio[1])]));
    const [w, h] = [Math.round(Math.sqrt(area * sides)), Math.round(Math.sqrt(area / sides))];
    if (w < 1 || h < 1 || w > width || h > height) continue;
    return { left: below(own, 'left', width - w + 1), top: below(own, 'top', height - h + 1), width: w, height: h };
  }
  return undefined;
}
