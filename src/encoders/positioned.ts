import * as tf from '@tensorflow/tfjs';
import { expectOneOf, UsageError } from '../core/errors';
import type { Tree } from '../core/tree';
import type { Encoder, Preprocessing } from './types';

/** The ways to say where in the picture a feature is from. */
export const PLACES = ['sinusoidal', 'coordinates'] as const;

/**
 * `sinusoidal` adds sines and cosines of row and column; `coordinates` appends row and column, from -1 to 1, as two more numbers.
 */
export type Places = (typeof PLACES)[number];

export type PositionedConfig = { type: 'positioned'; places: Places; encoder: Encoder['config'] };

/**
 * An encoder whose features know where in the picture they are from, for attention that should find things by their place.
 * Positions beside the grid, such as that of a class token, get zeros. What is trained, such as the table of
 * `TransformerCaptioner`, belongs to decoders: an encoder stays frozen as a rule.
 */
export class Positioned implements Encoder {
  readonly config: PositionedConfig;
  readonly preprocessing: Preprocessing;
  readonly grid: readonly [number, number];
  readonly leading: number;
  readonly featureSize: number;
  readonly params: Tree;

  /** @param encoder - belongs to this one from here on */
  constructor(
    readonly encoder: Encoder,
    readonly places: Places = 'sinusoidal',
  ) {
    expectOneOf('places', places, PLACES);
    if (places === 'sinusoidal' && encoder.featureSize % 4 !== 0)
      throw new UsageError(
        `Sinusoidal places need a multiple of 4 features, sines and cosines of row and column, but there are ${encoder.featureSize}. Take 'coordinates'.`,
      );
    const { grid, leading = 0, featureSize, preprocessing, params } = encoder;
    this.config = { type: 'positioned', places, encoder: encoder.config };
    this.grid = grid;
    this.leading = leading;
    this.featureSize = featureSize + (places === 'coordinates' ? 2 : 0);
    this.preprocessing = preprocessing;
    this.params = params;
  }

  encode(pixels: tf.Tensor4D): tf.Tensor3D {
    const features = this.encoder.encode(pixels);
    const of = this.places === 'sinusoidal' ? sinusoidalPlaces(this.grid, this.featureSize) : coordinates(this.grid);
    const places = tf.pad(of, [
      [this.leading, 0],
      [0, 0],
    ]);
    if (this.places === 'sinusoidal') return tf.add<tf.Tensor3D>(features, places);
    return tf.concat([features, tf.tile(tf.expandDims<tf.Tensor3D>(places, 0), [features.shape[0], 1, 1])], 2);
  }

  dispose(): void {
    this.encoder.dispose();
  }
}

/**
 * [rows * columns, size]: in the first half of the numbers sines and cosines of the row in turn, in the second half of the column,
 * of wavelengths from 2 pi to 10000 * 2 pi. Rows and columns are counted from 1.
 *
 * @see Carion et al. 2020, https://arxiv.org/abs/2005.12872, appendix A.4; `PositionEmbeddingSine` of transformers, not normalised
 */
export function sinusoidalPlaces([rows, columns]: readonly [number, number], size: number): tf.Tensor2D {
  const half = size / 2;
  const values = new Float32Array(rows * columns * size);
  for (let position = 0; position < rows * columns; position++)
    for (const [axis, place] of [Math.floor(position / columns) + 1, (position % columns) + 1].entries())
      for (let i = 0; i < half; i++) {
        const angle = place / 10000 ** ((i - (i % 2)) / half);
        values[position * size + axis * half + i] = i % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
      }
  return tf.tensor2d(values, [rows * columns, size]);
}

/** [rows * columns, 2]: from -1 in the first row and column to 1 in the last, 0 where there is one alone. */
function coordinates([rows, columns]: readonly [number, number]): tf.Tensor2D {
  const along = (place: number, count: number) => (count === 1 ? 0 : (2 * place) / (count - 1) - 1);
  const values = Array.from({ length: rows * columns }, (_, position) => [
    along(Math.floor(position / columns), rows),
    along(position % columns, columns),
  ]);
  return tf.tensor2d(values.flat(), [rows * columns, 2]);
}
