import * as tf from '@tensorflow/tfjs';

/** From, up to and without, in rows or columns. */
type Bin = readonly [start: number, end: number];

/** x [batch, height, width, channels] -> [batch, channels] */
export function globalAverage(x: tf.Tensor4D): tf.Tensor2D {
  return tf.mean<tf.Tensor2D>(x, [1, 2]);
}

/**
 * The average over a grid of `rows` x `columns` bins, which overlap where the sizes do not divide and repeat where the
 * grid is the finer one.
 *
 * @param x - [batch, height, width, channels]
 * @see PyTorch's adaptive_avg_pool2d: bin i goes from floor(i * size / bins) to ceil((i + 1) * size / bins)
 */
export function adaptiveAverage(
  x: tf.Tensor4D,
  [rows, columns]: readonly [rows: number, columns: number],
): tf.Tensor4D {
  const [, height, width] = x.shape;
  if (rows === height && columns === width) return tf.clone(x);
  return averageOf(x, adaptiveBins(height, rows), adaptiveBins(width, columns));
}

/** Averages of 2 x 2, of what is there at the edges: PyTorch's AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False). */
export function halve(x: tf.Tensor4D): tf.Tensor4D {
  const [, height, width] = x.shape;
  if (height % 2 === 0 && width % 2 === 0) return tf.avgPool(x, 2, 2, 'valid');
  return averageOf(x, halvingBins(height), halvingBins(width));
}

/**
 * The average of the 3 x 3 positions around each. At the edges, those outside are zeros (`padded`), as in PyTorch, or do not
 * count, as in TensorFlow.
 */
export function averageAround(x: tf.Tensor4D, padded: boolean): tf.Tensor4D {
  const [, height, width] = x.shape;
  if (!padded) return averageOf(x, binsAround(height), binsAround(width));
  const wider = tf.pad(x, [
    [0, 0],
    [1, 1],
    [1, 1],
    [0, 0],
  ]);
  return tf.avgPool(wider, 3, 1, 'valid');
}

const binsAround = (size: number): Bin[] =>
  Array.from({ length: size }, (_, i) => [Math.max(i - 1, 0), Math.min(i + 2, size)]);

const adaptiveBins = (size: number, bins: number): Bin[] =>
  Array.from({ length: bins }, (_, i) => [Math.floor((i * size) / bins), Math.ceil(((i + 1) * size) / bins)]);

const halvingBins = (size: number): Bin[] =>
  Array.from({ length: Math.ceil(size / 2) }, (_, i) => [2 * i, Math.min(2 * i + 2, size)]);

/** As two matrix products, one over rows and one over columns. */
function averageOf(x: tf.Tensor4D, rows: readonly Bin[], columns: readonly Bin[]): tf.Tensor4D {
  const [batch, height, width, channels] = x.shape;
  const product = (bins: readonly Bin[], size: number, count: number, of: tf.Tensor) =>
    tf.matMul(tf.tile(tf.expandDims(averagingMatrix(bins, size), 0), [count, 1, 1]), of as tf.Tensor3D);
  const tall = product(rows, height, batch, tf.reshape(x, [batch, height, width * channels]));
  const lines = batch * rows.length;
  const both = product(columns, width, lines, tf.reshape(tall, [lines, width, channels]));
  return tf.reshape(both, [batch, rows.length, columns.length, channels]);
}

/** [bins, size] */
function averagingMatrix(bins: readonly Bin[], size: number): tf.Tensor2D {
  const values = new Float32Array(bins.length * size);
  for (const [row, [start, end]] of bins.entries())
    values.fill(1 / (end - start), row * size + start, row * size + end);
  return tf.tensor2d(values, [bins.length, size]);
}
