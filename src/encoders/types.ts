import type * as tf from '@tensorflow/tfjs';
import type { Preprocessing } from '../core/preprocessing';
import type { Tree } from '../core/tree';

export type { Preprocessing };

/** An encoder in two parts, which share its parameters: they stay the encoder's, and neither part is to be disposed of. */
export type DividedEncoder = {
  /** Pictures to the features after the stage. */
  before: Encoder;
  /** features of `before` [batch, positions, featureSize] -> those that the whole encoder gives; differentiable. */
  after(features: tf.Tensor3D): tf.Tensor3D;
};

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
  /** Cuts the encoder after a stage, where it can be cut, so that only what follows is run and trained. */
  divide?(stage: number): DividedEncoder;
  dispose(): void;
}
