import * as tf from '@tensorflow/tfjs';
import type { Grid } from './patches';

/**
 * Learned positions of a grid for a grid of another size, by bicubic interpolation: how vision transformers read
 * pictures larger than those that they were trained on.
 *
 * @param table - [leading + rows * columns, size]; the first `leading` rows, such as that of a class token, stay
 * @returns [leading + to rows * to columns, size]
 * @see Keys 1981 with a = -0.75, pixel centres at halves and edges repeated, as `torch.nn.functional.interpolate` has it
 */
export function resizePositions(table: tf.Tensor2D, from: Grid, to: Grid, leading = 1): tf.Tensor2D {
  if (`${from}` === `${to}`) return table;
  const size = table.shape[1];
  const [first, grid] = tf.split(table, [leading, from[0] * from[1]], 0) as [tf.Tensor2D, tf.Tensor2D];
  const down = tf.matMul(bicubicMatrix(from[0], to[0]), tf.reshape<tf.Rank.R2>(grid, [from[0], from[1] * size]));
  const turned = tf.transpose(tf.reshape(down, [to[0], from[1], size]), [1, 0, 2]); // [columns, to rows, size]
  const across = tf.matMul(bicubicMatrix(from[1], to[1]), tf.reshape<tf.Rank.R2>(turned, [from[1], to[0] * size]));
  const resized = tf.transpose(tf.reshape(across, [to[1], to[0], size]), [1, 0, 2]);
  return tf.concat<tf.Tensor2D>([first, tf.reshape(resized, [to[0] * to[1], size])], 0);
}

/** [to, from]: the share that each old place has in each new one. */
function bicubicMatrix(from: number, to: number): tf.Tensor2D {
  const shares = new Float32Array(to * from);
  for (let place = 0; place < to; place++) {
    const centre = ((place + 0.5) * from) / to - 0.5;
    for (let tap = -1; tap <= 2; tap++) {
      const source = Math.floor(centre) + tap;
      const clamped = Math.min(Math.max(source, 0), from - 1);
      shares[place * from + clamped]! += cubic(Math.abs(centre - source));
    }
  }
  return tf.tensor2d(shares, [to, from]);
}

function cubic(distance: number): number {
  const a = -0.75;
  if (distance <= 1) return ((a + 2) * distance - (a + 3)) * distance * distance + 1;
  return distance < 2 ? a * (((distance - 5) * distance + 8) * distance - 4) : 0;
}
