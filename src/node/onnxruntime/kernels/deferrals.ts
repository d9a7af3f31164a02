import * as tf from '@tensorflow/tfjs';
import { type Deferrals, Deferred } from '../deferred';
import { CHANNELS_FIRST } from '../model';
import { attributesOf, type ConvAttributes, fits, infoOf, isPlain, type Shape4 } from './convParts';
import { withBiasAndActivation } from './fused';
import { isFloat } from './graphs';
import type { Call, Kernel } from './types';

type PoolAttributes = {
  filterSize: [number, number] | number;
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
};
type PadAttributes = { paddings: [number, number][]; constantValue: number };

/**
 * Convolutions, and the additions, bends, frames and pools after them, are put off until somebody asks for numbers:
 * whole stretches of a network then run as one graph, in which onnxruntime folds biases and activations into the
 * convolutions and keeps channels in the order that suits the processor. Not while gradients are taped, whose way back
 * asks for every intermediate result.
 */
export function deferring(deferrals: Deferrals): Record<string, Kernel> {
  const { engine } = deferrals;
  const { backend } = engine;
  const taped = () => tf.engine().state.gradientDepth > 0;
  /** What is put off, unless it has been given another shape since. */
  const pending = ({ dataId, shape }: tf.TensorInfo) => {
    const deferred = backend.deferred(dataId);
    return deferred && tf.util.arraysEqual([...deferred.shape], shape) ? deferred : undefined;
  };
  const source = (x: tf.TensorInfo) => pending(x) ?? { values: engine.values(x), shape: x.shape };

  const convolution =
    (depthwise: boolean): Kernel =>
    ({ inputs: { x, filter }, attrs }: Call<Record<'x' | 'filter', tf.TensorInfo>, ConvAttributes>) => {
      if (taped() || x.shape.length !== 4 || x.shape.includes(0)) return undefined;
      if (!isFloat(x) || !isPlain(engine, attrs, filter) || !(pending(x) || engine.holds(x))) return undefined;
      const info = infoOf(x.shape, filter.shape, attrs, depthwise);
      if (!fits(info) || (!depthwise && x.shape[3] !== filter.shape[2])) return undefined;
      const [height, width, inputs, outputs] = filter.shape as Shape4;
      const values = engine.values(filter);
      // [height, width, in, out] -> [out, in, height, width]; depthwise -> [in * out, 1, height, width]
      const [major, minor] = depthwise ? [inputs * outputs, 1] : [outputs, inputs];
      const make = () => {
        const turned = new Float32Array(values.length);
        for (let place = 0; place < height * width; place++)
          for (let i = 0; i < minor; i++)
            for (let o = 0; o < major; o++)
              turned[(o * minor + i) * height * width + place] = values[(place * minor + i) * major + o]!;
        return { type: 'float32' as const, shape: [major, minor, height, width], values: turned };
      };
      const attributes = { ...attributesOf(info), group: depthwise ? inputs : 1 };
      const weights = [{ dataId: filter.dataId, values, make }];
      return backend.defer(
        new Deferred(backend, info.outShape, { op: 'Conv', attributes, sources: [source(x)], weights }),
      );
    };

  /** A bias for every channel, or another tensor of the same shape. */
  const add: Kernel = ({ inputs: { a, b } }: Call<Record<'a' | 'b', tf.TensorInfo>>) => {
    if (taped() || !isFloat(a) || !isFloat(b)) return undefined;
    if ((pending(a) || pending(b)) && tf.util.arraysEqual(a.shape, b.shape))
      return backend.defer(new Deferred(backend, a.shape, { op: 'Add', sources: [source(a), source(b)], weights: [] }));
    const [map, bias] = pending(a) ? [a, b] : [b, a];
    if (!pending(map) || pending(bias) || bias.shape.length !== 1 || bias.shape[0] !== map.shape[3]) return undefined;
    const values = engine.values(bias);
    const make = () => ({ type: 'float32' as const, shape: [1, values.length, 1, 1], values });
    const weights = [{ dataId: bias.dataId, values, make }];
    return backend.defer(new Deferred(backend, map.shape, { op: 'Add', sources: [pending(map)!], weights }));
  };

  const relu: Kernel = ({ inputs: { x } }: Call<{ x: tf.TensorInfo }>) => {
    const before = taped() ? undefined : pending(x);
    return before && backend.defer(new Deferred(backend, x.shape, { op: 'Relu', sources: [before], weights: [] }));
  };

  const bounds = [0, 6].map((bound) => {
    const values = Float32Array.of(bound);
    return { values, make: () => ({ type: 'float32' as const, shape: [], values }) };
  });

  const relu6: Kernel = ({ inputs: { x } }: Call<{ x: tf.TensorInfo }>) => {
    const before = taped() ? undefined : pending(x);
    return before && backend.defer(new Deferred(backend, x.shape, { op: 'Clip', sources: [before], weights: bounds }));
  };

  /** Only where one is put off already: for a picture's own pixels nothing would be gained. */
  const pool =
    (op: string): Kernel =>
    ({ inputs: { x }, attrs }: Call<{ x: tf.TensorInfo }, PoolAttributes>) => {
      const before = taped() ? undefined : pending(x);
      if (!before) return undefined;
      const { filterSize, strides, pad, dimRoundingMode } = attrs;
      const info = tf.backend_util.computePool2DInfo(x.shape as Shape4, filterSize, strides, 1, pad, dimRoundingMode);
      if (!fits(info)) return undefined;
      const { dilations, ...moves } = attributesOf(info);
      const attributes = { ...moves, kernel_shape: [info.filterHeight, info.filterWidth] };
      return backend.defer(new Deferred(backend, info.outShape, { op, attributes, sources: [before], weights: [] }));
    };

  const pad: Kernel = ({ inputs: { x }, attrs }: Call<{ x: tf.TensorInfo }, PadAttributes>) => {
    const before = taped() ? undefined : pending(x);
    if (!before) return undefined;
    const [pads, shape] = [CHANNELS_FIRST.map((axis) => attrs.paddings[axis]!), x.shape];
    const around = [...pads.map(([begin]) => begin), ...pads.map(([, end]) => end)];
    const value = Float32Array.of(attrs.constantValue);
    const weights = [
      {
        values: Float32Array.from(around),
        make: () => ({ type: 'int64' as const, shape: [around.length], values: around }),
      },
      { values: value, make: () => ({ type: 'float32' as const, shape: [], values: value }) },
    ];
    const padded = shape.map((size, axis) => size + attrs.paddings[axis]![0] + attrs.paddings[axis]![1]);
    return backend.defer(new Deferred(backend, padded, { op: 'Pad', sources: [before], weights }));
  };

  const [conv2D, depthwise] = [convolution(false), convolution(true)];
  const after = { Add: add, Relu: relu, Relu6: relu6 };
  return {
    ...after,
    ...{ AvgPool: pool('AveragePool'), MaxPool: pool('MaxPool'), PadV2: pad },
    ...{ Conv2D: conv2D, FusedConv2D: withBiasAndActivation(conv2D, after) },
    ...{ DepthwiseConv2dNative: depthwise, FusedDepthwiseConv2D: withBiasAndActivation(depthwise, after) },
  };
}
