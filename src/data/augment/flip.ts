import type { PixelImage } from '../types';
import { expectProbability, happens } from './draws';
import type { Transform } from './types';

/**
 * Mirrors pictures, left and right, and swaps these words in their captions. Writing in the picture becomes mirror writing.
 *
 */
export function flip({ probability = 0.5 }: { /** Default 0.5. */ probability?: number } = {}): Transform {
  expectProbability('probability', probability);
  return {
    name: 'flip',
    options: { probability },
    draw: (random) =>
      happens(random, probability) ? { pixels: flipPixels, caption: swapSides, flips: true } : undefined,
  };
}

/** The mirror image. */
export function flipPixels({ data, width, height, channels }: PixelImage): PixelImage {
  const flipped = new Uint8Array(data.length);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [from, to] = [(y * width + x) * channels, (y * width + width - 1 - x) * channels];
      for (let c = 0; c < channels; c++) flipped[to + c] = data[from + c]!;
    }
  return { data: flipped, width, height, channels };
}

const others: Record<string, string> = { left: 'right', right: 'left' };

// `left` that is no side: what remains, and what somebody has left; `right` that is no side: exactly, correct, and the like.
const noSide = [
  '(?:(?:is|are|was|were|be|been|being|have|has|had|having|get|gets|got|just|already|one|ones|all|nothing|none)\\s+left\\b(?!\\s*[-]?\\s*(?:side|hand|of|most|foot|arm|leg|ear|eye)))',
  '(?:left\\s+(?:over|overs|behind|alone|open|empty|for|out|after|unattended|the\\s+(?:house|room|ground|water|building|shore|store|station)))',
  '(?:leftovers?\\b)',
  '(?:(?:all|that\\s+is|is|are)\\s+right\\b(?=\\s*(?:[.!,]|$)))',
  '(?:right\\s+(?:next|now|beside|by|before|after|behind|above|below|under|underneath|over|at|away|there|here|in|into|through|up|out|off|along|past|as|outside|inside|angles?|way|of\\s+way))',
  '(?:(?:all|just|civil|human)\\s+rights?\\b)',
].join('|');
const words = new RegExp(`\\b(?:${noSide})|\\b(left|right)(?=\\b|most\\b|wards?\\b|hand|ie|y\\b)`, 'giu');

/**
 * A caption of the mirror image: `left` and `right` are swapped, `left-hand`, `rightmost` and `leftward` too, where they name a side.
 * `the dog left behind`, `right next to` and the like stay; what is left or right by its place in a sentence alone is decided by the words
 * beside it, in English.
 */
export function swapSides(caption: string): string {
  return caption.replace(words, (found, side: string | undefined) => {
    if (side === undefined) return found;
    const other = others[side.toLowerCase()]!;
    if (side === side.toUpperCase()) return other.toUpperCase();
    return side[0] === side[0]!.toUpperCase() ? other[0]!.toUpperCase() + other.slice(1) : other;
  });
}
