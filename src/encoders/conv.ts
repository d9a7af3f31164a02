import * as tf from '@tensorflow/tfjs';
import { uniform } from '../core/init';
import type { Random } from '../core/random';
import type { ParameterSpec } from '../core/spec';
import { type ConvActivation, convOperation, type Frame } from './convOperation';

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

/** What follows a convolution and can be done in one operation with it. */
export type ConvExtras = {
  /** [out] */
  bias?: tf.Tensor1D | undefined;
  /** Of the shape of the result; added before the activation. */
  plus?: tf.Tensor4D | undefined;
  activation?: ConvActivation | undefined;
};

/** x [batch, height, width, in], weight [height, width, in / groups, out] */
export function convolve(
  x: tf.Tensor4D,
  weight: tf.Tensor4D,
  movement: Movement = {},
  { bias, plus, activation = 'linear' }: ConvExtras = {},
): tf.Tensor4D {
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = movement;
  if (groups > 1) {
    const kernels = tf.split<tf.Tensor4D>(weight, groups, 3);
    const parts = tf
      .split<tf.Tensor4D>(x, groups, 3)
      .map((part, group) => convolve(part, kernels[group]!, { stride, padding, dilation }));
    return finished(tf.concat(parts, 3), { bias, plus, activation });
  }
  if (dilation > 1) return finished(dilated(x, weight, { stride, padding, dilation }), { bias, plus, activation });
  const frame = (picture: tf.Tensor4D) => framed(picture, weight, { stride, padding });
  return convOperation({ x, weight, bias, plus }, { stride, depthwise: false, activation, frame });
}

/** x [batch, height, width, channels], weight [height, width, channels, 1], bias [channels] */
export function convolveChannels(
  x: tf.Tensor4D,
  weight: tf.Tensor4D,
  { stride = 1, padding = 0 }: Movement = {},
  { bias, plus, activation = 'linear' }: ConvExtras = {},
): tf.Tensor4D {
  const frame = (picture: tf.Tensor4D) => framed(picture, weight, { stride, padding });
  return convOperation({ x, weight, bias, plus }, { stride, depthwise: true, activation, frame });
}

/** The same extras one after the other, of what was convolved in parts. */
export function finished(x: tf.Tensor4D, { bias, plus, activation }: ConvExtras): tf.Tensor4D {
  let y = bias ? tf.add<tf.Tensor4D>(x, bias) : x;
  if (plus) y = tf.add(y, plus);
  if (activation === 'relu') return tf.relu(y);
  return activation === 'relu6' ? tf.relu6(y) : y;
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
): Frame {
  if (padding === 'same') return { x, pad: 'same', around: [0, 0] };
  const around = bothWays(padding);
  const [vertical, horizontal] = around;
  const [rows, columns] = filter.shape;
  const keepsSize = stride === 1 && rows === 2 * vertical + 1 && columns === 2 * horizontal + 1;
  return keepsSize ? { x, pad: 'same', around: [0, 0] } : { x: surround(x, around, 0), pad: 'valid', around };
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
  return tf.addN(terms) as tf.Tensor4D;
}
