import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { DataError } from '../../src/core/errors';
import { regionClassLoss, regionFeatureLoss, regionLoss } from '../../src/models/regionLosses';
import { expectClose, expectNoLeak } from '../helpers';

await tf.setBackend('cpu');

/** Worked out by hand: log-softmax of [0, ln 3] is [-ln 4, ln 3 - ln 4]. */
test('classes of masked regions: divergence, the mean over those that are masked', () =>
  expectNoLeak(() =>
    tf.tidy(() => {
      const logits = tf.tensor3d([0, Math.log(3), 5, 5, 1, 1, 0, Math.log(3)], [2, 2, 2]);
      const targets = tf.tensor3d([0.5, 0.5, 0, 1, 1, 0, 0, 1], [2, 2, 2]);
      const masked = tf.tensor2d([1, 0, 0, 1], [2, 2]);
      const first = Math.log(0.5) + Math.log(4) - 0.5 * Math.log(3);
      const second = Math.log(4) - Math.log(3); // a probability of 0 adds nothing
      expectClose(regionClassLoss(logits, targets, masked), [(first + second) / 2], 1e-6);
      expectClose(regionClassLoss(logits, targets, tf.zerosLike(masked)), [0], 0);
      const gradient = tf.grad((x) => regionClassLoss(x as tf.Tensor3D, targets, masked))(logits);
      expectClose(gradient, [-0.125, 0.125, 0, 0, 0, 0, 0.125, -0.125], 1e-6);
    }),
  ));

test('features of masked regions: squared distance, the mean over their numbers', () =>
  expectNoLeak(() =>
    tf.tidy(() => {
      const guessed = tf.tensor3d([1, 2, 3, 4, 5, 6], [1, 3, 2]);
      const targets = tf.tensor3d([1, 0, 0, 0, 2, 2], [1, 3, 2]);
      expectClose(regionFeatureLoss(guessed, targets, tf.tensor2d([[1, 0, 1]])), [(0 + 4 + 9 + 16) / 4], 1e-6);
    }),
  ));

test('what is guessed of regions needs its target, and differences are bent at 1', () =>
  expectNoLeak(() => {
    const features = tf.tensor3d([0.5, -3, 1, 0], [1, 2, 2]);
    const target = { values: tf.zerosLike(features) as tf.Tensor3D, confidence: tf.tensor2d([[1, 0.5]]) };
    tf.tidy(() => {
      const loss = regionLoss({ features }, { features: target }, { regionLossScale: 2 });
      expectClose(loss, [(2 * ((0.125 + 2.5) / 2 + 0.5 * (0.5 / 2))) / 2], 1e-6);
    });
    expect(() => tf.tidy(() => regionLoss({ features }, {}, { regionLossScale: 1 }))).toThrow(DataError);
    tf.dispose([features, target]);
  }));
