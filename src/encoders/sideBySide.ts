import * as tf from '@tensorflow/tfjs';
import { expectOneOf, UsageError } from '../core/errors';
import type { Tree } from '../core/tree';
import { expectPixels } from './expectPixels';
import { JOINS, type Join, joinedSize, joinMaps } from './joinMaps';
import type { Encoder, Preprocessing } from './types';

export type SideBySideConfig = { type: 'side-by-side'; join: Join; encoders: Encoder['config'][] };

/**
 * Encoders that look at the same pictures together, such as two networks, or one at two of its stages. Each gets the pixels as it
 * wants them; a picture is resized once, so they have to agree on how.
 *
 * @see `Join` for what becomes of their features
 */
export class SideBySide implements Encoder {
  readonly config: SideBySideConfig;
  readonly preprocessing: Preprocessing;
  readonly grid: readonly [number, number];
  readonly leading: number;
  readonly featureSize: number;
  readonly params: Tree[];

  /**
   * @param encoders - two or more; they belong to this one from here on
   * @throws UsageError for encoders that want pictures cut or resized in different ways
   */
  constructor(
    readonly encoders: readonly Encoder[],
    readonly join: Join = 'features',
  ) {
    expectOneOf('join', join, JOINS);
    const { grid, leading, featureSize } = joinedSize(encoders, join);
    this.grid = grid;
    this.leading = leading;
    this.featureSize = featureSize;
    const [first, ...others] = encoders.map(({ preprocessing }) => geometryOf(preprocessing));
    for (const [i, other] of others.entries())
      if (JSON.stringify(other) !== JSON.stringify(first))
        throw new UsageError(
          `Encoders side by side see the same picture, but the first resizes it as ${JSON.stringify(first)} and encoder ${i + 2} as ${JSON.stringify(other)}. Load them with one preprocessing.`,
        );
    this.preprocessing = { ...first!, mean: 0, scale: 1 };
    this.params = encoders.map(({ params }) => params);
    this.config = { type: 'side-by-side', join, encoders: encoders.map(({ config }) => config) };
  }

  encode(pixels: tf.Tensor4D): tf.Tensor3D {
    expectPixels(pixels, this.preprocessing);
    const features = this.encoders.map((encoder) => {
      const { mean, scale } = encoder.preprocessing;
      const perChannel = (value: number | number[]) => tf.tensor1d([value, value, value].flat().slice(0, 3));
      return encoder.encode(tf.mul(tf.sub(pixels, perChannel(mean)), perChannel(scale)));
    });
    return joinMaps(features, this.encoders, this.join);
  }

  dispose(): void {
    for (const encoder of this.encoders) encoder.dispose();
  }
}

/** Everything about preprocessing but the numbers that pixels become. */
function geometryOf({ size, resize, crop, filter, alpha }: Preprocessing): Omit<Preprocessing, 'mean' | 'scale'> {
  return { size, resize, filter, ...(crop && { crop }), ...(alpha && { alpha }) };
}
