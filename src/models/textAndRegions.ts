import * as tf from '@tensorflow/tfjs';
import { expectShape } from '../core/shapes';

/** Texts as BERT and its relatives read them. */
export type TextInput = {
  /** [rows, time] of int32 */
  ids: tf.Tensor2D;
  /** [rows, time] of int32, which sentence a word belongs to; by default all belong to the first. */
  types?: tf.Tensor2D | undefined;
  /** [rows, time], 1 = padding */
  keyPaddingMask?: tf.Tensor2D | undefined;
};

/** What is seen: regions that a detector found, or the places of a grid of features; one row per text. */
export type RegionInput = {
  /** [rows, regions, featureSize] */
  features: tf.Tensor3D;
  /** [rows, regions], 1 = padding */
  keyPaddingMask?: tf.Tensor2D | undefined;
};

/** Regions with the places where they are, [rows, regions, 4 or 5]: see the model for what the numbers are. */
export type BoxedRegions = RegionInput & { boxes: tf.Tensor3D };

/**
 * Checks what is seen where it enters a model.
 *
 * @param expected - rows below 0 are as many as there are; boxSize is that of models with boxes
 * @throws RangeError with both shapes
 */
export function expectRegions(
  { features, boxes, keyPaddingMask }: RegionInput & { boxes?: tf.Tensor3D },
  { rows, featureSize, boxSize }: { rows: number; featureSize: number; boxSize?: number },
): void {
  expectShape('features', features, { rows, regions: -1, featureSize }, 'There is one row of regions per text.');
  const [seen, regions] = features.shape;
  const hint = 'Every region of the features has its own.';
  if (boxes && boxSize !== undefined) expectShape('boxes', boxes, { rows: seen, regions, boxSize }, hint);
  if (keyPaddingMask) expectShape('keyPaddingMask of regions', keyPaddingMask, { rows: seen, regions }, hint);
}

/**
 * Boxes of the cells of a grid, row by row, so that a grid of features can stand for regions: left, top, right and bottom as
 * parts of the picture's width and height, and the part of its area as a fifth number where `area` is asked for.
 *
 * @param grid - rows and columns, such as an encoder's `grid`
 * @returns [images, rows * columns, 4 or 5]
 */
export function gridBoxes(
  [rows, columns]: readonly [number, number],
  images: number,
  { area = false }: { area?: boolean } = {},
): tf.Tensor3D {
  const boxes = Array.from({ length: rows * columns }, (_, place) => {
    const [row, column] = [Math.floor(place / columns), place % columns];
    const sides = [column / columns, row / rows, (column + 1) / columns, (row + 1) / rows];
    return area ? [...sides, 1 / (rows * columns)] : sides;
  });
  return tf.tile(tf.tensor3d([boxes]), [images, 1, 1]);
}

/**
 * Puts a region in front that is the whole picture, as ViLBERT wants it: its features are the mean of the others.
 *
 * @param regions - whose boxes have five numbers
 */
export function withWholePicture({ features, boxes, keyPaddingMask }: BoxedRegions): BoxedRegions {
  const [rows, count, size] = features.shape;
  const seen = keyPaddingMask ? tf.sub(1, tf.cast(keyPaddingMask, 'float32')) : tf.ones([rows, count]);
  const weights = tf.div<tf.Tensor2D>(seen, tf.maximum(tf.sum(seen, 1, true), 1));
  const mean = tf.sum(tf.mul(features, tf.expandDims(weights, 2)), 1, true);
  const whole = tf.tile(tf.tensor3d([[[0, 0, 1, 1, 1]]]), [rows, 1, 1]);
  return {
    features: tf.concat<tf.Tensor3D>([tf.reshape(mean, [rows, 1, size]), features], 1),
    boxes: tf.concat([whole, boxes], 1),
    ...(keyPaddingMask && {
      keyPaddingMask: tf.concat<tf.Tensor2D>([tf.zeros([rows, 1]), tf.cast(keyPaddingMask, 'float32')], 1),
    }),
  };
}
