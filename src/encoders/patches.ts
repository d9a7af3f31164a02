import * as tf from '@tensorflow/tfjs';
import { type DenseParams, dense } from '../core/dense';
import { uniform } from '../core/init';
import { type LinearSpec, linearSpec } from '../core/layerSpecs';
import type { ParameterSpec } from '../core/spec';

/** Rows and columns of pixels in a patch, or of patches in a picture. */
export type Grid = readonly [rows: number, columns: number];

/** weight [rows, columns, channels, size], bias [size] where the layer has one */
export type PatchParams = { weight: tf.Tensor4D; bias?: tf.Tensor1D | undefined };

/** A convolution whose windows do not overlap, as checkpoints of vision transformers name it. */
export function patchSpec(
  key: string,
  [rows, columns]: Grid,
  channels: number,
  size: number,
  { bias = true } = {},
): { weight: ParameterSpec<tf.Tensor4D>; bias: LinearSpec['bias'] } {
  const limit = 1 / Math.sqrt(rows * columns * channels);
  return {
    weight: {
      key: `${key}.weight`,
      shape: [rows, columns, channels, size],
      layout: 'conv',
      init: (shape, random) => uniform<tf.Rank.R4>(shape as [number, number, number, number], limit, random),
    },
    bias: linearSpec(key, rows * columns * channels, size, { bias }).bias,
  };
}

/**
 * Cuts pictures into patches and projects each: the convolution as one matrix product. Pixels beyond the last whole
 * patch are left out, as by a convolution without padding.
 *
 * @param pixels - [batch, height, width, channels]
 * @returns [batch, patches, size], row by row
 */
export function embedPatches({ weight, bias }: PatchParams, pixels: tf.Tensor4D): tf.Tensor3D {
  const [rows, columns, channels, size] = weight.shape;
  const [batch] = pixels.shape;
  const [down, across] = patchGrid([pixels.shape[1], pixels.shape[2]], [rows, columns]);
  const whole = tf.slice(pixels, [0, 0, 0, 0], [batch, down * rows, across * columns, channels]);
  const cut = tf.reshape(whole, [batch, down, rows, across, columns * channels]);
  const patches = tf.reshape<tf.Rank.R3>(tf.transpose(cut, [0, 1, 3, 2, 4]), [
    batch,
    down * across,
    rows * columns * channels,
  ]);
  const kernel: DenseParams = { weight: tf.reshape(weight, [rows * columns * channels, size]), bias };
  return dense(kernel, patches);
}

/** How many patches lie one below the other and side by side. */
export function patchGrid([height, width]: Grid, [rows, columns]: Grid): Grid {
  return [Math.floor(height / rows), Math.floor(width / columns)];
}
