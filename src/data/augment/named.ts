import { UsageError } from '../../core/errors';
import { blur } from './blur';
import { type ColourJitterOptions, colourJitter } from './colourJitter';
import { flip } from './flip';
import { grayscale } from './grayscale';
import { randAugment } from './randAugment';
import { randomErasing } from './randomErasing';
import { randomResizedCrop } from './randomResizedCrop';
import { rotation } from './rotation';
import type { Transform } from './types';

/** A transform by its name; `number` is what `name:number` means on a command line. */
type Named = { make(options: object): Transform; number(value: number): object };

const named: Readonly<Record<string, Named>> = {
  flip: { make: flip, number: (probability) => ({ probability }) },
  crop: { make: randomResizedCrop, number: (least) => ({ scale: [least, 1] }) },
  colour: {
    make: colourJitter,
    number: (strength): ColourJitterOptions => ({ brightness: strength, contrast: strength, saturation: strength }),
  },
  rotate: { make: rotation, number: (degrees) => ({ degrees }) },
  blur: { make: blur, number: (probability) => ({ probability }) },
  grayscale: { make: grayscale, number: (probability) => ({ probability }) },
  erase: { make: randomErasing, number: (probability) => ({ probability }) },
  randaugment: { make: randAugment, number: (magnitude) => ({ magnitude }) },
};

function nameOf(name: string): Named {
  const found = Object.hasOwn(named, name) ? named[name] : undefined;
  if (found) return found;
  throw new UsageError(`'${name}' is no augmentation; those that there are: ${Object.keys(named).join(', ')}.`);
}

/**
 * Transforms from words as `flip,crop:0.6,colour:0.4`. The number is the probability of flip, blur, grayscale and erase, the least
 * area that crop leaves, the strength of colour, the degrees of rotate and the magnitude of randaugment.
 *
 * @throws UsageError for a name that there is not, or a number that cannot be meant
 */
export function parseTransforms(text: string): Transform[] {
  return text.split(',').map((word) => {
    const [name, number, ...more] = word.trim().split(':');
    const { make, number: option } = nameOf(name!);
    if (number === undefined) return make({});
    if (more.length > 0 || number.trim() === '' || !Number.isFinite(Number(number)))
      throw new UsageError(`'${word}' should be a name, or a name and a number, such as ${name}:0.5.`);
    return make(option(Number(number)));
  });
}

/** What `describe` wrote. */
export function transformsOf(description: string): Transform[] {
  const all = JSON.parse(description) as { name: string }[];
  return all.map(({ name, ...options }) => nameOf(name).make(options));
}
