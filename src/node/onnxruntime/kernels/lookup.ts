import * as tf from '@tensorflow/tfjs';
import { isFloat, oneNode, sizeOf } from './graphs';
import type { Call, Kernel } from './types';

type GatherAttributes = { axis: number; batchDims: number };

/** Rows, or what lies along another axis, by their numbers. */
const gather: Kernel = ({
  engine,
  inputs: { x, indices },
  attrs: { axis, batchDims },
}: Call<Record<'x' | 'indices', tf.TensorInfo>, GatherAttributes>) => {
  if (!isFloat(x) || indices.dtype !== 'int32' || batchDims !== 0 || !engine.holds(x) || !engine.holds(indices))
    return undefined;
  const along = tf.util.parseAxisParam(axis, x.shape)[0]!;
  const count = x.shape[along]!;
  // The cpu backend says what is wrong with those that are out of range.
  for (const index of engine.values(indices)) if (!(index >= 0 && index < count)) return undefined;
  const outer = tf.util.sizeFromShape(x.shape.slice(0, along));
  const inner = tf.util.sizeFromShape(x.shape.slice(along + 1));
  const wanted = sizeOf(indices);
  const shape = [...x.shape.slice(0, along), ...indices.shape, ...x.shape.slice(along + 1)];
  const build = () => oneNode('Gather', { x: 'float32', indices: 'int32' }, { attributes: { axis: 1 } });
  const feeds = { x: { tensor: x, as: [outer, count, inner] }, indices: { tensor: indices, as: [wanted] } };
  return engine.run({ name: 'Gather', build }, feeds, { y: { shape, as: [outer, wanted, inner] } })?.y;
};

type SegmentInputs = { x: tf.TensorInfo; segmentIds: tf.TensorInfo };

/**
 * The rows of x added up by segment: the gradient of a lookup. In JavaScript, where it takes no longer than writing its
 * result (onnxruntime's ScatterND adds one number at a time); the cpu backend would go over x once per segment.
 */
const unsortedSegmentSum: Kernel = ({
  engine,
  inputs: { x, segmentIds },
  attrs: { numSegments },
}: Call<SegmentInputs, { numSegments: number }>) => {
  if (!isFloat(x) || !engine.holds(x) || !engine.holds(segmentIds)) return undefined;
  const result = { shape: [numSegments, ...x.shape.slice(segmentIds.shape.length)] };
  const size = tf.util.sizeFromShape(result.shape.slice(1));
  const sums = engine.take(result).fill(0);
  const from = engine.values(x);
  for (const [row, segment] of engine.values(segmentIds).entries()) {
    if (segment < 0 || segment >= numSegments) continue;
    const at = row * size;
    const to = segment * size;
    for (let i = 0; i < size; i++) sums[to + i]! += from[at + i]!;
  }
  const made = engine.wrap(sums, result);
  engine.leave(sums);
  return made;
};

type OneHotAttributes = { dtype: tf.DataType; depth: number; onValue: number; offValue: number };

const oneHot: Kernel = ({ engine, inputs: { indices }, attrs }: Call<{ indices: tf.TensorInfo }, OneHotAttributes>) => {
  const { dtype, depth, onValue, offValue } = attrs;
  if (!engine.holds(indices) || (dtype !== 'int32' && dtype !== 'float32')) return undefined;
  const result = { shape: [...indices.shape, depth], dtype } as const;
  const values = engine.take(result).fill(offValue);
  for (const [row, index] of engine.values(indices).entries())
    if (index >= 0 && index < depth) values[row * depth + index] = onValue;
  const made = engine.wrap(values, result);
  engine.leave(values);
  return made;
};

export const lookup: Record<string, Kernel> = {
  GatherV2: gather,
  OneHot: oneHot,
  UnsortedSegmentSum: unsortedSegmentSum,
};
