import type * as tf from '@tensorflow/tfjs';
import type { Tree } from '../core/tree';

/** How a picture becomes the numbers that an encoder reads; written into a checkpoint's `config.json`. */
export type Preprocessing = {
  /** Height and width in pixels after resizing. */
  size: [height: number, width: number];
  /** `squash` resizes both sides without cropping; the filter is antialiased, as PIL's. */
  resize: 'squash';
  filter: 'bilinear';
  /** A pixel value p of 0..255 enters as (p - mean) * scale. */
  mean: number;
  scale: number;
};

/** Pictures in, a grid of features out. */
export interface Encoder {
  /** Plain and serialisable; `type` names the encoder in a checkpoint. */
  readonly config: { readonly type: string; readonly [name: string]: unknown };
  readonly preprocessing: Preprocessing;
  /** Rows and columns of the grid; positions = rows * columns, row by row. */
  readonly grid: readonly [rows: number, columns: number];
  readonly featureSize: number;
  readonly params: Tree;
  /** pixels [batch, height, width, 3], already normalised -> features [batch, positions, featureSize]; differentiable. */
  encode(pixels: tf.Tensor4D): tf.Tensor3D;
  dispose(): void;
}
