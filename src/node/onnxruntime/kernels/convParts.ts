import * as tf from '@tensorflow/tfjs';
import { type Graph, type Node, transposed } from '../model';
import { isFloat } from './graphs';
import { matMul } from './matMul';
import type { Call } from './types';

export type ConvInfo = tf.backend_util.Conv2DInfo;
export type ConvAttributes = {
  strides: number | [number, number];
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  dataFormat?: 'NHWC' | 'NCHW';
  dilations?: number | [number, number];
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
};
export type Shape4 = [number, number, number, number];

export function infoOf(
  inputShape: readonly number[],
  filterShape: readonly number[],
  attrs: ConvAttributes,
  depthwise: boolean,
): ConvInfo {
  const { strides, pad, dilations = 1, dimRoundingMode } = attrs;
  const shapes = [inputShape as Shape4, filterShape as Shape4] as const;
  return tf.backend_util.computeConv2DInfo(...shapes, strides, dilations, pad, dimRoundingMode, depthwise);
}

/** Attributes of ONNX that say the same; ONNX has channels first and its pads in the order top, left, bottom, right. */
export function attributesOf({ padInfo, strideHeight, strideWidth, dilationHeight, dilationWidth }: ConvInfo) {
  return {
    strides: [strideHeight, strideWidth],
    dilations: [dilationHeight, dilationWidth],
    pads: [padInfo.top, padInfo.left, padInfo.bottom, padInfo.right],
  };
}

/** [height, width, in, out] -> [out, in, height, width] */
export const FILTER = [3, 2, 0, 1];
/** Of a depthwise filter, [height, width, channels, multiplier]; the outputs of a channel lie together. */
export const DEPTHWISE_FILTER = [2, 3, 0, 1];

/** Turns the inputs, applies an operator of ONNX, and turns the output back. */
export function turned(node: Omit<Node, 'inputs' | 'outputs'>, perms: Record<'x' | 'filter' | 'y', number[]>): Graph {
  return {
    nodes: [
      transposed('x', 'xFirst', perms.x),
      transposed('filter', 'turned', perms.filter),
      { ...node, inputs: ['xFirst', 'turned'], outputs: ['yFirst'] },
      transposed('yFirst', 'y', perms.y),
    ],
    inputs: { x: 'float32', filter: 'float32' },
    outputs: { y: 'float32' },
  };
}

export const isPlain = (engine: Call['engine'], attrs: ConvAttributes, ...tensors: tf.TensorInfo[]) =>
  (attrs.dataFormat ?? 'NHWC') === 'NHWC' &&
  tensors.every((x) => isFloat(x) && x.shape.length === 4 && engine.holds(x));

/** A convolution that looks at one position at a time is a product over all positions. */
export const isProduct = ({ filterHeight, filterWidth, strideHeight, strideWidth, padInfo }: ConvInfo) =>
  filterHeight === 1 &&
  filterWidth === 1 &&
  strideHeight === 1 &&
  strideWidth === 1 &&
  [padInfo.top, padInfo.bottom, padInfo.left, padInfo.right].every((size) => size === 0);

type Transposes = { transposeA?: boolean; transposeB?: boolean };

/** The product of two tensors seen as matrices, in the shape that is asked for. */
export function product(call: Call, a: tf.TensorInfo, b: tf.TensorInfo, shape: readonly number[], attrs: Transposes) {
  const matrix = (x: tf.TensorInfo) => ({
    ...x,
    shape: [tf.util.sizeFromShape(x.shape) / x.shape.at(-1)!, x.shape.at(-1)!],
  });
  const given = { transposeA: false, transposeB: false, ...attrs };
  const result = matMul.BatchMatMul!({ engine: call.engine, inputs: { a: matrix(a), b: matrix(b) }, attrs: given });
  return result && { ...(result as tf.TensorInfo), shape: [...shape] };
}

export const named = (name: string, ...parts: unknown[]) => `${name} ${JSON.stringify(parts)}`;

/** What of the input no window of the strides reaches: its gradient is 0. */
export function leftOver({ inHeight, inWidth, outHeight, outWidth, padInfo, ...info }: ConvInfo) {
  const reached = (out: number, stride: number, filter: number, before: number, after: number) =>
    (out - 1) * stride + filter - before - after;
  return [
    inHeight - reached(outHeight, info.strideHeight, info.effectiveFilterHeight, padInfo.top, padInfo.bottom),
    inWidth - reached(outWidth, info.strideWidth, info.effectiveFilterWidth, padInfo.left, padInfo.right),
  ] as [number, number];
}

/** Whether ONNX finds the same output: tfjs takes the height of the filter for its width where the pad is a number. */
export function fits(info: ConvInfo): boolean {
  const [rows, columns] = leftOver(info);
  return (
    !info.outShape.includes(0) && rows >= 0 && columns >= 0 && rows < info.strideHeight && columns < info.strideWidth
  );
}
