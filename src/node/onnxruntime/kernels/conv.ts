import type * as tf from '@tensorflow/tfjs';
import { CHANNELS_FIRST, CHANNELS_LAST } from '../model';
import {
  attributesOf,
  type ConvAttributes,
  DEPTHWISE_FILTER,
  FILTER,
  fits,
  infoOf,
  isPlain,
  isProduct,
  named,
  product,
  type Shape4,
  turned,
} from './convParts';
import { withBiasAndActivation } from './fused';
import type { Call, Kernel } from './types';

const conv2D: Kernel = (call: Call<Record<'x' | 'filter', tf.TensorInfo>, ConvAttributes>) => {
  const { engine, inputs, attrs } = call;
  const { x, filter } = inputs;
  if (!isPlain(engine, attrs, x, filter) || x.shape[3] !== filter.shape[2]) return undefined;
  const info = infoOf(x.shape, filter.shape, attrs, false);
  if (!fits(info)) return undefined;
  if (isProduct(info)) return product(call, x, filter, info.outShape, {});
  const attributes = attributesOf(info);
  const perms = { x: CHANNELS_FIRST, filter: FILTER, y: CHANNELS_LAST };
  const build = () => turned({ op: 'Conv', attributes }, perms);
  return engine.run({ name: named('Conv', attributes), build }, { x, filter }, { y: { shape: info.outShape } })?.y;
};

const depthwiseConv2D: Kernel = ({
  engine,
  inputs,
  attrs,
}: Call<Record<'x' | 'filter', tf.TensorInfo>, ConvAttributes>) => {
  const { x, filter } = inputs;
  if (!isPlain(engine, attrs, x, filter)) return undefined;
  const info = infoOf(x.shape, filter.shape, attrs, true);
  if (!fits(info)) return undefined;
  const [height, width, channels, multiplier] = filter.shape as Shape4;
  const attributes = { ...attributesOf(info), group: channels };
  const perms = { x: CHANNELS_FIRST, filter: DEPTHWISE_FILTER, y: CHANNELS_LAST };
  const build = () => turned({ op: 'Conv', attributes }, perms);
  // Outputs in groups of one input channel: the filter is [channels * multiplier, 1, height, width].
  const feeds = { x, filter: { tensor: filter, as: [height, width, channels * multiplier, 1] } };
  return engine.run({ name: named('Conv', attributes), build }, feeds, { y: { shape: info.outShape } })?.y;
};

export const convolutions: Record<string, Kernel> = {
  Conv2D: conv2D,
  DepthwiseConv2dNative: depthwiseConv2D,
  FusedConv2D: withBiasAndActivation(conv2D),
  FusedDepthwiseConv2D: withBiasAndActivation(depthwiseConv2D),
};
