import * as tf from '@tensorflow/tfjs';
import { uniform } from '../core/init';
import type { Random } from '../core/random';
import type { ParameterSpec } from '../core/spec';

/** How a convolution moves over the picture; `padding` as PyTorch counts it, or TensorFlow's `same`. */
export type Movement = {
  stride?: number;
  padding?: number | readonly [vertical: number, horizontal: number] | 'same';
  dilation?: number;
  /** Channels are cut into as many groups, and each is convolved by itself. */
  groups?: number;
};

/** He et al. 2015, equation 10, drawn uniformly: every output varies as much as the inputs do. */
const heUniform = (shape: number[], random: Random) => {
  const fanIn = shape.slice(0, -1).reduce((size, side) => size * side, 1);
  return uniform<tf.Rank.R4>(shape as [number, number, number, number], Math.sqrt(6 / fanIn), random);
};

/** Weight [height, width, in / groups, out] of a convolution. */
export function kernelSpec(key: string, shape: [number, number, number, number]): ParameterSpec<tf.Tensor4D> {
  return { key, shape, layout: 'conv', init: heUniform };
}

/** A convolution of `shape` [height, width, in, out] with its bias, as PyTorch names them. */
export function convSpec(
  key: string,
  shape: [number, number, number, number],
): { weight: ParameterSpec<tf.Tensor4D>; bias: ParameterSpec<tf.Tensor1D> } {
  const bias: ParameterSpec<tf.Tensor1D> = {
    key: `${key}.bias`,
    shape: [shape[3]],
    layout: 'same',
    init: (size) => tf.zeros(size),
  };
  return { weight: kernelSpec(`${key}.weight`, shape), bias };
}

/** Weight [height, width, channels, 1] of a convolution of every channel by itself. */
export function depthwiseSpec(key: string, size: number, channels: number): ParameterSpec<tf.Tensor4D> {
  return {
    key,
    shape: [size, size, channels, 1],
    layout: 'depthwise',
    init: (shape, random) =>
      uniform<tf.Rank.R4>(shape as [number, number, number, number], Math.sqrt(6) / size, random),
  };
}

/** x [batch, height, width, in], weight [height, width, in / groups, out], bias [out] */
export function convolve(
  x: tf.Tensor4D,
  weight: tf.Tensor4D,
  movement: Movement = {},
  bias?: tf.Tensor1D,
): tf.Tensor4D {
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = movement;
  if (groups > 1) {
    const kernels = tf.split<tf.Tensor4D>(weight, groups, 3);
    const parts = tf
      .split<tf.Tensor4D>(x, groups, 3)
      .map((part, group) => convolve(part, kernels[group]!, { stride, padding, dilation }));
    const joined = tf.concat(parts, 3);
    return bias ? tf.add(joined, bias) : joined;
  }
  if (dilation > 1) return dilated(x, weight, { stride, padding, dilation }, bias);
  return tf.fused.conv2d({
    ...framed(x, weight, { stride, padding }),
    strides: stride,
    ...(bias && { bias }),
  }) as tf.Tensor4D;
}

/** x [batch, height, width, channels], weight [height, width, channels, 1], bias [channels] */
export function convolveChannels(
  x: tf.Tensor4D,
  weight: tf.Tensor4D,
  { stride = 1, padding = 0 }: Movement = {},
  bias?: tf.Tensor1D,
): tf.Tensor4D {
  const frame = framed(x, weight, { stride, padding });
  const y = tf.depthwiseConv2d(frame.x, weight, stride, frame.pad);
  return bias ? tf.add(y, bias) : y;
}

/** The largest of each window; what lies outside of the picture does not count, as in PyTorch. */
export function maxPool(x: tf.Tensor4D, size: number, stride: number, padding = 0): tf.Tensor4D {
  return tf.maxPool(surround(x, [padding, padding], LOWEST), size, stride, 'valid');
}

/** The least float32: an infinity cannot be written in the shaders of WebGL. */
const LOWEST = -(2 - 2 ** -23) * 2 ** 127;

/**
 * The picture and the padding in words with which every backend can convolve it: tfjs-node takes no numbers. Where
 * `same` is not what the numbers say, the zeros are laid around the picture.
 */
function framed(
  x: tf.Tensor4D,
  filter: tf.Tensor4D,
  { stride, padding }: Required<Pick<Movement, 'stride' | 'padding'>>,
): { x: tf.Tensor4D; filter: tf.Tensor4D; pad: 'same' | 'valid' } {
  if (padding === 'same') return { x, filter, pad: 'same' };
  const [vertical, horizontal] = bothWays(padding);
  const [rows, columns] = filter.shape;
  const keepsSize = stride === 1 && rows === 2 * vertical + 1 && columns === 2 * horizontal + 1;
  return keepsSize ? { x, filter, pad: 'same' } : { x: surround(x, [vertical, horizontal], 0), filter, pad: 'valid' };
}

function bothWays(padding: number | readonly [number, number]): readonly [vertical: number, horizontal: number] {
  return typeof padding === 'number' ? [padding, padding] : padding;
}

function surround(x: tf.Tensor4D, [vertical, horizontal]: readonly [number, number], value: number): tf.Tensor4D {
  if (vertical === 0 && horizontal === 0) return x;
  const around: [number, number][] = [
    [0, 0],
    [vertical, vertical],
    [horizontal, horizontal],
    [0, 0],
  ];
  return tf.pad(x, around, value);
}

/** A kernel with gaps as a sum over its places: tfjs has no gradient of a convolution with dilation. */
function dilated(
  x: tf.Tensor4D,
  weight: tf.Tensor4D,
  { stride, padding, dilation }: Required<Omit<Movement, 'groups'>>,
  bias?: tf.Tensor1D,
): tf.Tensor4D {
  const [rows, columns, inputs, outputs] = weight.shape;
  if (padding === 'same') throw new RangeError("A convolution with dilation takes its padding in numbers, not 'same'.");
  const padded = surround(x, bothWays(padding), 0);
  const [batch, height, width] = padded.shape;
  const extent = [height - dilation * (rows - 1), width - dilation * (columns - 1)] as const;
  const terms: tf.Tensor4D[] = [];
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const part = tf.slice(padded, [0, row * dilation, column * dilation, 0], [batch, ...extent, inputs]);
      const kernel = tf.slice(weight, [row, column, 0, 0], [1, 1, inputs, outputs]);
      terms.push(tf.conv2d(part, kernel, stride, 'valid'));
    }
  const sum = tf.addN(terms) as tf.Tensor4D;
  return bias ? tf.add(sum, bias) : sum;
}
