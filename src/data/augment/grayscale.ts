import { grayscalePixels } from './colour';
import { expectProbability, happens } from './draws';
import type { Transform } from './types';

/**
 * Takes the colours away. Captions keep the colours that they name, so do it rarely.
 *
 * @see torchvision, `RandomGrayscale`
 */
export function grayscale({ probability = 0.1 }: { /** Default 0.1. */ probability?: number } = {}): Transform {
  expectProbability('probability', probability);
  return {
    name: 'grayscale',
    options: { probability },
    draw: (random) => (happens(random, probability) ? { pixels: grayscalePixels } : undefined),
  };
}
