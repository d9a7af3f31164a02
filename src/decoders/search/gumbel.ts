import type { Random } from '../../core/random';

/**
 * Standard Gumbel noise for every token of a step of a sample, made on the host. Of one step it is kept, for all pictures
 * meet the same: what is drawn depends on the seed, the sample and the step alone.
 */
export function gumbelNoise(
  random: Random,
): (step: { length: number; copy: number; vocabSize: number }) => Float32Array {
  const drawn = new Map<number, Float32Array>();
  let at = 0;
  return ({ length, copy, vocabSize }) => {
    if (at !== length) drawn.clear();
    at = length;
    const noise =
      drawn.get(copy) ??
      random
        .fork(copy)
        .fork(length)
        .uniform(vocabSize)
        .map((uniform) => -Math.log(-Math.log(uniform)));
    drawn.set(copy, noise);
    return noise;
  };
}
