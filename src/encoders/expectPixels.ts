import type * as tf from '@tensorflow/tfjs';
import { expectShape } from '../core/shapes';
import type { Preprocessing } from './types';

/** Checks that pixels are [batch, height, width, channels] of the size that the preprocessing makes. */
export function expectPixels(pixels: tf.Tensor4D, { size: [height, width] }: Preprocessing, channels = 3): void {
  const hint = 'Pictures are NHWC and of the size in `preprocessing`.';
  expectShape('pixels', pixels, { batch: -1, height, width, channels }, hint);
}
