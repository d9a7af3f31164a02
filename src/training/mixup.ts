import * as tf from '@tensorflow/tfjs';
import { UsageError } from '../core/errors';
import type { Random } from '../core/random';

/** What a batch of pictures becomes: picture i keeps `shares[i]` of itself and takes the rest of `partners[i]`. */
export type Mixture = { partners: number[]; shares: number[] };

/** Throws a `UsageError` unless mixtures can be drawn with `alpha`. */
export function expectMixup(alpha: number): void {
  if (alpha > 0 && alpha <= 1) return;
  throw new UsageError(`mixup is ${alpha} but should be above 0 and at most 1, such as 0.2.`);
}

/**
 * Mixup of features: pictures of a batch are mixed in pairs, with shares from Beta(alpha, alpha), alpha in (0, 1].
 *
 * A mixed picture has captions of both. The published loss is share * loss(own) + (1 - share) * loss(partner's); here each of its captions
 * is its own with the probability `share`, else the partner's, which is that loss on average and costs nothing.
 *
 * @see Zhang et al. 2018, https://arxiv.org/abs/1710.09412, equation 1
 */
export function drawMixture(pictures: number, alpha: number, random: Random): Mixture {
  const order = random.fork('partners').shuffle(Array.from({ length: pictures }, (_, i) => i));
  const partners = new Array<number>(pictures);
  for (const [place, picture] of order.entries()) partners[picture] = order[(place + 1) % pictures]!;
  const shares = Array.from({ length: pictures }, (_, i) => drawBeta(alpha, random.fork('shares').fork(i)));
  return { partners, shares };
}

/** From Beta(alpha, alpha) for alpha up to 1 (Jöhnk 1964): at least half of the pairs fit. */
function drawBeta(alpha: number, random: Random): number {
  for (let attempt = 0; ; attempt++) {
    const [u, v] = random.fork(attempt).uniform(2) as unknown as [number, number];
    const [x, y] = [u ** (1 / alpha), v ** (1 / alpha)];
    if (x + y > 0 && x + y <= 1) return x / (x + y);
  }
}

/** features [pictures, positions, featureSize], mixed; differentiable. */
export function mixFeatures(features: tf.Tensor3D, { partners, shares }: Mixture): tf.Tensor3D {
  const own = tf.tensor3d(shares, [shares.length, 1, 1]);
  const theirs = tf.gather(features, tf.tensor1d(partners, 'int32'));
  return tf.add(tf.mul(features, own), tf.mul(theirs, tf.sub(1, own)));
}

/** `captions` of each picture, some of them its partner's. */
export function mixCaptions<T>(captions: readonly (readonly T[])[], mixture: Mixture, random: Random): T[][] {
  return captions.map((own, picture) => {
    const draws = random.fork('captions').fork(picture).uniform(own.length);
    const theirs = captions[mixture.partners[picture]!]!;
    return own.map((caption, i) => (draws[i]! < mixture.shares[picture]! ? caption : theirs[i]!));
  });
}
