import * as tf from '@tensorflow/tfjs';
import type { Rows } from '../core/dropout';
import { type LinearParams, linear } from '../core/linear';
import { mapTree, type Tree } from '../core/tree';
import type { TeacherForced } from './types';

/** The mean over positions [images, positions, featureSize], padding left out -> [images, featureSize] */
export function meanFeature(features: tf.Tensor3D, keyPaddingMask?: tf.Tensor2D): tf.Tensor2D {
  if (!keyPaddingMask) return tf.mean<tf.Tensor2D>(features, 1);
  const real = tf.sub(1, keyPaddingMask);
  const sum = tf.sum(tf.mul(features, tf.expandDims(real, 2)), 1);
  return tf.div<tf.Tensor2D>(sum, tf.maximum(tf.sum(real, 1, true), 1));
}

/** Row r of [images, size] becomes rows r * times ... r * times + times - 1. */
export function repeatRows<T extends Tree>(state: T, times: number): T {
  if (times === 1) return state;
  return mapTree(state, (tensor) => {
    const [images, size] = tensor.shape as [number, number];
    return tf.reshape(tf.tile(tf.expandDims(tensor, 1), [1, times, 1]), [images * times, size]);
  });
}

/** [rows, time] -> [time * rows], so that a step is one block of rows. */
export function timeMajor(tokens: tf.Tensor2D): tf.Tensor1D {
  return tf.reshape(tf.transpose(tokens), [tokens.size]);
}

/** The captions of what `timeMajor` lays out. */
export function rowsOfSteps(rows: number, time: number): Rows {
  return { count: rows, of: Int32Array.from({ length: rows * time }, (_, i) => i % rows) };
}

/** The captions of places row * time + t, or of all places in order. */
export function rowsOfPlaces(places: Int32Array | undefined, rows: number, time: number): Rows {
  const all = places ?? Int32Array.from({ length: rows * time }, (_, place) => place);
  return { count: rows, of: all.map((place) => Math.floor(place / time)) };
}

/** Results of all steps [rows, size] -> [rows * time, size], or those that are wanted. */
export function overTime(steps: tf.Tensor2D[], wanted: tf.Tensor1D | undefined): tf.Tensor2D {
  const all = tf.reshape<tf.Rank.R2>(tf.stack(steps, 1), [steps.length * steps[0]!.shape[0], steps[0]!.shape[1]]);
  return wanted ? tf.gather(all, wanted) : all;
}

/** An output layer whose weight, where it is absent, is the table of the embedding [vocabSize, size]. */
export function outputLayer(
  { weight, bias }: { weight?: tf.Tensor2D; bias: tf.Tensor1D },
  embedding: tf.Tensor2D,
): LinearParams {
  return { weight: weight ?? tf.transpose(embedding), bias };
}

/** What a pass returns that ends in a linear layer, the logits computed when they are asked for; `others` go with it. */
export function saying(
  hidden: tf.Tensor2D,
  output: LinearParams,
  others: Pick<TeacherForced, 'weights' | 'chosen'> = {},
): TeacherForced {
  return {
    ...others,
    get logits() {
      return linear(output, hidden);
    },
    last: { hidden, output },
  };
}
