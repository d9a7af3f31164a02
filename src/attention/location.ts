import * as tf from '@tensorflow/tfjs';
import { expectWhole, UsageError } from '../core/errors';
import { uniform } from '../core/init';
import { type LinearParams, linear, linearOverPositions } from '../core/linear';
import { noGradient } from '../core/noGradient';
import { recompute } from '../core/recompute';
import { additiveAttentionParams } from './additive';
import { matrix, overPositions } from './luong';
import { FAR_BELOW } from './mask';
import {
  type AttentionMechanism,
  type AttentionMemory,
  attendByScores,
  attendByWeights,
  byImage,
  dotScores,
  type Grid,
} from './mechanism';

function expectGrid({ keys }: AttentionMemory, [rows, columns]: Grid): void {
  const positions = keys.shape[1];
  if (positions === rows * columns) return;
  throw new RangeError(
    `This attention was made for a grid of ${rows} x ${columns}, but the features have ${positions} positions. Were they made by the encoder that the decoder was built for?`,
  );
}

/**
 * Location-based attention: the hidden state alone says where to look, whatever is there.
 *
 * @see Luong et al. 2015, https://arxiv.org/abs/1508.04025, equation 8
 */
export function location(): AttentionMechanism<{ query: tf.Tensor2D }> {
  return {
    config: { type: 'location' },
    placed: true,
    params: ({ querySize, grid: [rows, columns] }, random) => ({
      query: matrix(querySize, rows * columns, random.fork('query')),
    }),
    keys: (_, features) => tf.clone(features),
    attend({ query: weight }, query, memory) {
      expectGrid(memory, [1, weight.shape[1]]);
      const scores: tf.Tensor2D = tf.matMul(query, weight);
      return attendByScores(byImage(scores, memory.keys.shape[0]), memory);
    },
  };
}

/** key [featureSize, querySize], query [querySize, attentionSize], point [attentionSize, 2] */
export type LocalParams = { key: tf.Tensor2D; query: tf.Tensor2D; point: tf.Tensor2D };

export type LocalOptions = {
  /** Positions on each side of the point that is looked at: the paper's D. Default 2. */
  window?: number;
};

/**
 * Local attention, `local-p`: a network says at which point of the grid to look, and `general` attention compares the positions
 * around it, weighted by a Gaussian of deviation D / 2. Weights therefore sum to less than 1.
 *
 * @see Luong et al. 2015, section 3.2, equations 9 and 10. Departures: sentences have one axis and pictures two, each with its
 * own point, window and Gaussian; points are within the grid, from 0 to its length - 1.
 */
export function local({ window = 2 }: LocalOptions = {}): AttentionMechanism<LocalParams> {
  expectWhole('window', window, 1);
  return {
    config: { type: 'local', window },
    placed: true,
    params: ({ querySize, featureSize, attentionSize }, random) => ({
      key: matrix(featureSize, querySize, random.fork('key')),
      query: matrix(querySize, attentionSize, random.fork('query')),
      point: matrix(attentionSize, 2, random.fork('point')),
    }),
    keys: ({ key }, features) => overPositions(key, features),
    attend(params, query, memory, { grid }) {
      expectGrid(memory, grid);
      const images = memory.keys.shape[0];
      const asked = tf.tanh<tf.Tensor2D>(tf.matMul(query, params.query));
      const last = tf.tensor2d(
        grid.map((length) => length - 1),
        [1, 2],
      );
      const points = tf.mul<tf.Tensor2D>(tf.sigmoid(tf.matMul(asked, params.point)), last); // [rows, 2]
      const distances = tf.sub(byImage4(points, images), placesOf(grid)); // [images, perImage, positions, 2]
      const outside = noGradient(distances, (d) =>
        tf.cast<tf.Tensor3D>(tf.any(tf.greater(tf.abs(d), window), -1), 'float32'),
      );
      const gaussian = tf.exp(tf.div(tf.sum(tf.square(distances), -1), -2 * (window / 2) ** 2));
      const barred = memory.keyPaddingMask
        ? tf.maximum<tf.Tensor3D>(outside, tf.expandDims(memory.keyPaddingMask, 1))
        : outside;
      const scores = tf.add<tf.Tensor3D>(dotScores(query, memory.keys), tf.mul(barred, FAR_BELOW));
      // Where padding fills the window nothing is seen.
      const weights = tf.mul(tf.mul(tf.softmax(scores), gaussian), tf.sub(1, barred)) as tf.Tensor3D;
      return attendByWeights(weights, memory);
    },
  };
}

/** [rows, 2] -> [images, rows / images, 1, 2] */
const byImage4 = (points: tf.Tensor2D, images: number): tf.Tensor4D =>
  tf.reshape(points, [images, points.shape[0] / images, 1, 2]);

/** Row and column of every position, [1, 1, positions, 2] */
function placesOf([rows, columns]: Grid): tf.Tensor4D {
  const places = Array.from({ length: rows * columns }, (_, i) => [Math.floor(i / columns), i % columns]);
  return tf.tensor4d(places.flat(), [1, 1, rows * columns, 2]);
}

/** features, query and score as in additive attention; kernel [size, size, 1, filters]; place [filters, attentionSize] */
export type LocationAwareParams = {
  features: LinearParams;
  query: LinearParams;
  score: LinearParams;
  kernel: tf.Tensor4D;
  place: tf.Tensor2D;
};

export type LocationAwareOptions = {
  /** Filters over the weights of the step before. Default 8. */
  filters?: number;
  /** Rows and columns of a filter, an odd number. Default 3. */
  size?: number;
};

/**
 * Location-aware attention: additive attention that also knows where it looked a step ago, by a convolution over those weights.
 * Before the first step nothing was looked at.
 *
 * @see Chorowski et al. 2015, https://arxiv.org/abs/1506.07503, equations 8 and 9. Departures: speech has one axis and pictures
 * two, so the convolution goes over the grid; every projection but that of the convolution has a bias.
 */
export function locationAware({
  filters = 8,
  size = 3,
}: LocationAwareOptions = {}): AttentionMechanism<LocationAwareParams> {
  expectWhole('filters', filters, 1);
  expectWhole('size', size, 1);
  if (size % 2 === 0) throw new UsageError(`size is ${size} but should be odd, so that a filter has a middle.`);
  return {
    config: { type: 'location-aware', filters, size },
    placed: true,
    params: (sizes, random) => ({
      ...additiveAttentionParams({ ...sizes, activation: 'tanh' }, random),
      kernel: uniform<tf.Rank.R4>([size, size, 1, filters], 1 / size, random.fork('kernel')),
      place: matrix(filters, sizes.attentionSize, random.fork('place')),
    }),
    keys: (params, features) => linearOverPositions(params.features, features),
    initialState: (_, { keys }) => ({ weights: tf.zeros([keys.shape[0], keys.shape[1]]) }),
    attend(params, query, memory, { grid, state }) {
      expectGrid(memory, grid);
      const { weights: before } = state as { weights: tf.Tensor2D };
      const [rows, positions] = before.shape;
      const map = tf.reshape<tf.Rank.R4>(before, [rows, ...grid, 1]);
      const around = tf.reshape<tf.Rank.R3>(tf.conv2d(map, params.kernel, 1, 'same'), [rows, positions, filters]);
      const asked = linear(params.query, query);
      const { score, place } = params;
      const scores = recompute({ score, asked, keys: memory.keys, place, around }, (given) => {
        const { keys } = given;
        const [images, , attentionSize] = keys.shape;
        const found = tf.add(overPositions(given.place, given.around), tf.expandDims(given.asked, 1));
        const byImages = tf.reshape(found, [images, rows / images, positions, attentionSize]);
        const hidden = tf.tanh(tf.add(byImages, tf.expandDims(keys, 1)));
        const flat = linear(given.score, tf.reshape(hidden, [rows * positions, attentionSize]));
        return tf.reshape<tf.Rank.R3>(flat, [images, rows / images, positions]);
      });
      const seen = attendByScores(scores, memory);
      return { ...seen, state: { weights: seen.weights } };
    },
  };
}
