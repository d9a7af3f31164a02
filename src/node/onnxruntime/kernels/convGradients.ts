import * as tf from '@tensorflow/tfjs';
import { CHANNELS_FIRST, CHANNELS_LAST, type Graph, transposed } from '../model';
import {
  attributesOf,
  type ConvAttributes,
  type ConvInfo,
  DEPTHWISE_FILTER,
  FILTER,
  fits,
  infoOf,
  isPlain,
  isProduct,
  leftOver,
  named,
  product,
  type Shape4,
  turned,
} from './convParts';
import { padGraph } from './layout';
import { gemmGraph } from './matMul';
import type { Call, Kernel } from './types';

/** The way back to the input by ONNX' transposed convolution, for `groups` of channels. */
function inputGradient(call: Call, dy: tf.TensorInfo, filter: tf.TensorInfo, info: ConvInfo, groups: number) {
  const rest = leftOver(info);
  const attributes = { ...attributesOf(info), group: groups, output_padding: rest };
  const perms = { x: CHANNELS_FIRST, filter: groups === 1 ? FILTER : DEPTHWISE_FILTER, y: CHANNELS_LAST };
  const build = () => turned({ op: 'ConvTranspose', attributes }, perms);
  const [height, width, channels, multiplier] = filter.shape as Shape4;
  const seen = groups === 1 ? filter : { tensor: filter, as: [height, width, channels * multiplier, 1] };
  const name = named('ConvTranspose', attributes);
  return call.engine.run({ name, build }, { x: dy, filter: seen }, { y: { shape: info.inShape } })?.y;
}

type BackpropInput = ConvAttributes & { inputShape: Shape4 };

const conv2DBackpropInput: Kernel = (call: Call<Record<'dy' | 'filter', tf.TensorInfo>, BackpropInput>) => {
  const { dy, filter } = call.inputs;
  if (!isPlain(call.engine, call.attrs, dy, filter)) return undefined;
  const info = infoOf(call.attrs.inputShape, filter.shape, call.attrs, false);
  if (!fits(info)) return undefined;
  if (isProduct(info)) return product(call, dy, filter, info.inShape, { transposeB: true });
  return inputGradient(call, dy, filter, info, 1);
};

const depthwiseBackpropInput: Kernel = (call: Call<Record<'dy' | 'filter', tf.TensorInfo>, BackpropInput>) => {
  const { dy, filter } = call.inputs;
  if (!isPlain(call.engine, call.attrs, dy, filter)) return undefined;
  const info = infoOf(call.attrs.inputShape, filter.shape, call.attrs, true);
  if (!fits(info)) return undefined;
  return inputGradient(call, dy, filter, info, filter.shape[2]!);
};

type BackpropFilter = ConvAttributes & { filterShape: Shape4 };

/** x shifted to what the filter's place (row, column) sees, [batch, outHeight, outWidth, channels]. */
function seenFrom(call: Call, padded: tf.TensorInfo, info: ConvInfo, row: number, column: number) {
  const { strideHeight, strideWidth, outHeight, outWidth } = info;
  const build = (): Graph => ({
    nodes: [{ op: 'Slice', inputs: ['x', 'begin', 'end', 'axes', 'steps'], outputs: ['y'] }],
    inputs: { x: 'float32', begin: 'int64', end: 'int64', axes: 'int64', steps: 'int64' },
    outputs: { y: 'float32' },
  });
  const feeds = {
    x: padded,
    begin: { whole: [row, column] },
    end: { whole: [row + (outHeight - 1) * strideHeight + 1, column + (outWidth - 1) * strideWidth + 1] },
    axes: { whole: [1, 2] },
    steps: { whole: [strideHeight, strideWidth] },
  };
  const shape = [padded.shape[0]!, outHeight, outWidth, padded.shape[3]!];
  return call.engine.run({ name: 'Slice with steps', build }, feeds, { y: { shape } })?.y;
}

/** For every place of the filter a product of what it sees and what came back, over all positions. */
const conv2DBackpropFilter: Kernel = (call: Call<Record<'x' | 'dy', tf.TensorInfo>, BackpropFilter>) => {
  const { engine, inputs, attrs } = call;
  const { x, dy } = inputs;
  if (!isPlain(engine, attrs, x, dy)) return undefined;
  const info = infoOf(x.shape, attrs.filterShape, attrs, false);
  if (!fits(info)) return undefined;
  if (isProduct(info)) return product(call, x, dy, attrs.filterShape, { transposeA: true });
  const { top, bottom, left, right } = info.padInfo;
  const shape = [x.shape[0]!, x.shape[1]! + top + bottom, x.shape[2]! + left + right, x.shape[3]!];
  const pads = { whole: [0, top, left, 0, 0, bottom, right, 0] };
  const padded = engine.run(padGraph, { x, pads, value: { number: 0 } }, { y: { shape } })?.y;
  if (!padded) return undefined;
  const gradient = engine.take({ shape: attrs.filterShape });
  const [inputsOf, outputs] = attrs.filterShape.slice(2) as [number, number];
  for (let place = 0; place < info.filterHeight * info.filterWidth; place++) {
    const seen = seenFrom(call, padded, info, Math.floor(place / info.filterWidth), place % info.filterWidth)!;
    const array = gradient.subarray(place * inputsOf * outputs, (place + 1) * inputsOf * outputs);
    const rows = tf.util.sizeFromShape(seen.shape) / inputsOf;
    const feeds = { a: { tensor: seen, as: [rows, inputsOf] }, b: { tensor: dy, as: [rows, outputs] } };
    engine.fill(gemmGraph(true, false), feeds, { y: { numbers: array, as: [inputsOf, outputs] } });
    engine.backend.disposeData(seen.dataId);
  }
  engine.backend.disposeData(padded.dataId);
  const result = engine.wrap(gradient, { shape: attrs.filterShape });
  engine.leave(gradient);
  return result;
};

/**
 * Per channel, what each place of the filter sees times what came back, over all positions: a convolution whose groups
 * are the channels of every picture, and whose filters are the gradients of the outputs.
 */
const depthwiseBackpropFilter: Kernel = (call: Call<Record<'x' | 'dy', tf.TensorInfo>, BackpropFilter>) => {
  const { engine, inputs, attrs } = call;
  const { x, dy } = inputs;
  const [filterHeight, filterWidth, channels, multiplier] = attrs.filterShape;
  if (!isPlain(engine, attrs, x, dy) || multiplier !== 1) return undefined;
  const info = infoOf(x.shape, attrs.filterShape, attrs, true);
  if (!fits(info)) return undefined;
  const { batchSize, strideHeight, strideWidth, padInfo } = info;
  const attributes = {
    group: batchSize * channels,
    strides: [1, 1],
    dilations: [strideHeight, strideWidth],
    pads: [padInfo.top, padInfo.left, padInfo.bottom, padInfo.right],
  };
  const whole = (values: number[]) => ({ type: 'int64' as const, shape: [values.length], values });
  const build = (): Graph => ({
    nodes: [
      transposed('x', 'xFirst', CHANNELS_FIRST),
      transposed('dy', 'dyFirst', CHANNELS_FIRST),
      { op: 'Reshape', inputs: ['xFirst', 'groups'], outputs: ['xGroups'] },
      { op: 'Reshape', inputs: ['dyFirst', 'filters'], outputs: ['dyFilters'] },
      { op: 'Conv', inputs: ['xGroups', 'dyFilters'], outputs: ['all'], attributes },
      { op: 'Slice', inputs: ['all', 'zeros', 'ends', 'axes'], outputs: ['near'] },
      { op: 'Reshape', inputs: ['near', 'pictures'], outputs: ['byPicture'] },
      { op: 'ReduceSum', inputs: ['byPicture', 'first'], outputs: ['sum'], attributes: { keepdims: 0 } },
      transposed('sum', 'y', [1, 2, 0]),
    ],
    inputs: { x: 'float32', dy: 'float32' },
    outputs: { y: 'float32' },
    constants: {
      groups: whole([1, batchSize * channels, info.inHeight, info.inWidth]),
      filters: whole([batchSize * channels, 1, info.outHeight, info.outWidth]),
      zeros: whole([0, 0]),
      ends: whole([filterHeight, filterWidth]),
      axes: whole([2, 3]),
      pictures: whole([batchSize, channels, filterHeight, filterWidth]),
      first: whole([0]),
    },
  });
  const as = [filterHeight, filterWidth, channels];
  const name = named('Depthwise filter gradient', attributes, x.shape, dy.shape, attrs.filterShape);
  return engine.run({ name, build }, { x, dy }, { y: { shape: attrs.filterShape, as } })?.y;
};

export const convolutionGradients: Record<string, Kernel> = {
  Conv2DBackpropFilter: conv2DBackpropFilter,
  Conv2DBackpropInput: conv2DBackpropInput,
  DepthwiseConv2dNativeBackpropFilter: depthwiseBackpropFilter,
  DepthwiseConv2dNativeBackpropInput: depthwiseBackpropInput,
};
