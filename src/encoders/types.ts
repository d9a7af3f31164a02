import type * as tf from '@tensorflow/tfjs';
import type { Preprocessing } from '../core/preprocessing';
import type { Tree } from '../core/tree';

export type { Preprocessing };

/** Pictures in, a grid of features out. */
export interface Encoder {
  /** Plain and serialisable; `type` names the encoder in a checkpoint. */
  readonly config: { readonly type: string; readonly [name: string]: unknown };
  readonly preprocessing: Preprocessing;
  /** Rows and columns of the grid; positions = leading + rows * columns, row by row. */
  readonly grid: readonly [rows: number, columns: number];
  /** Positions before those of the grid, such as that of a class token; 0 without it. */
  readonly leading?: number;
  readonly featureSize: number;
  readonly params: Tree;
  /** pixels [batch, height, width, 3], already normalised -> features [batch, positions, featureSize]; differentiable. */
  encode(pixels: tf.Tensor4D): tf.Tensor3D;
  dispose(): void;
}
