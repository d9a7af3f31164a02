import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { gridBoxes, withWholePicture } from '../../src/models/textAndRegions';
import { expectClose, expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

test('cells of a grid have boxes row by row, which cover the picture once', () =>
  expectNoLeak(() =>
    tf.tidy(() => {
      const boxes = gridBoxes([2, 4], 3, { area: true });
      expect(boxes.shape).toEqual([3, 8, 5]);
      const [first, , last] = boxes.arraySync() as [number[][], number[][], number[][]];
      expect(last).toEqual(first);
      expect(first[0]).toEqual([0, 0, 0.25, 0.5, 0.125]);
      expect(first[1]).toEqual([0.25, 0, 0.5, 0.5, 0.125]);
      expect(first[4]).toEqual([0, 0.5, 0.25, 1, 0.125]);
      expect(first.at(-1)).toEqual([0.75, 0.5, 1, 1, 0.125]);
      expect(gridBoxes([2, 4], 1).shape).toEqual([1, 8, 4]);
    }),
  ));

test('the whole picture stands first, and is the mean of what is no padding', () =>
  expectNoLeak(() =>
    tf.tidy(() => {
      const features = tf.tensor3d([1, 2, 3, 4, 50, 60, 1, 1, 2, 2, 6, 9], [2, 3, 2]);
      const boxes = tf.ones<tf.Rank.R3>([2, 3, 5]);
      const keyPaddingMask = tf.tensor2d([0, 0, 1, 0, 0, 0], [2, 3]);
      const all = withWholePicture({ features, boxes, keyPaddingMask });
      expectClose(tf.slice(all.features, [0, 0, 0], [2, 1, 2]), [2, 3, 3, 4], 1e-6);
      expectClose(tf.slice(all.features, [0, 1, 0], [2, 3, 2]), features, 0);
      expect(tf.slice(all.boxes, [1, 0, 0], [1, 1, 5]).arraySync()).toEqual([[[0, 0, 1, 1, 1]]]);
      expect(all.keyPaddingMask!.arraySync()).toEqual([[0, 0, 0, 1], [0, 0, 0, 0]]); // biome-ignore format: rows
      const bare = withWholePicture({ features, boxes });
      expect(bare.keyPaddingMask).toBeUndefined();
      expectClose(tf.slice(bare.features, [0, 0, 0], [1, 1, 2]), [18, 22], 1e-5);
    }),
  ));
