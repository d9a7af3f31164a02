import * as tf from '@tensorflow/tfjs';
import type { Feed, NamedGraph } from '../engine';
import type { ElementType } from '../model';
import { FEW, isFloat, oneNode, sizeOf } from './graphs';
import type { Call, Kernel } from './types';

type X = { x: tf.TensorInfo };
type Movable = 'float32' | 'int32';

const movable = (x: tf.TensorInfo) => x.dtype === 'float32' || x.dtype === 'int32';

const transpose: Kernel = ({ engine, inputs: { x }, attrs: { perm } }: Call<X, { perm: number[] }>) => {
  if (!movable(x) || !engine.holds(x)) return undefined;
  // Axes that stay together count as one: what is left is more often one of onnxruntime's fast cases.
  const { shape, order } = joined(x.shape, perm);
  if (order.length < 2)
    return engine.alias(
      x,
      perm.map((axis) => x.shape[axis]!),
    );
  if (sizeOf(x) < FEW) return undefined;
  const type = x.dtype as Movable;
  const build = () => oneNode('Transpose', { x: type }, { attributes: { perm: order }, output: type });
  const to = perm.map((axis) => x.shape[axis]!);
  const as = order.map((axis) => shape[axis]!);
  return engine.run(
    { name: `Transpose ${order} ${type}`, build },
    { x: { tensor: x, as: shape } },
    { y: { shape: to, as, dtype: type } },
  )?.y;
};

/** The same permutation of fewer axes: those of size 1 are left out and runs that move together are one axis. */
export function joined(shape: readonly number[], perm: readonly number[]): { shape: number[]; order: number[] } {
  const runs: number[][] = [];
  for (const axis of perm.filter((axis) => shape[axis] !== 1)) {
    const run = runs.at(-1);
    const follows = run && range(run.at(-1)! + 1, axis).every((between) => shape[between] === 1);
    if (run && follows && axis > run.at(-1)!) run.push(axis);
    else runs.push([axis]);
  }
  const inOrder = [...runs].sort((a, b) => a[0]! - b[0]!);
  return {
    shape: inOrder.map((run) => run.reduce((size, axis) => size * shape[axis]!, 1)),
    order: runs.map((run) => inOrder.indexOf(run)),
  };
}

const range = (from: number, to: number) => Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);

type Parts = readonly { tensor: tf.TensorInfo; as: readonly number[] }[];

/** Joins tensors, given in the shapes `as`, along an axis. */
function join(engine: Call['engine'], parts: Parts, axis: number, shape: readonly number[]) {
  const [first] = parts as [Parts[number]];
  const type = first.tensor.dtype as Movable;
  const total = parts.reduce((sum, { as }) => sum + as[axis]!, 0);
  const outer = tf.util.sizeFromShape(first.as.slice(0, axis) as number[]);
  // Seen as matrices, which are joined side by side.
  const feeds: Record<string, Feed> = {};
  for (const [i, { tensor }] of parts.entries()) feeds[`x${i}`] = { tensor, as: [outer, sizeOf(tensor) / outer] };
  const types = Object.fromEntries(parts.map((_, i) => [`x${i}`, type as ElementType]));
  const build = () => oneNode('Concat', types, { attributes: { axis: 1 }, output: type });
  const inner = tf.util.sizeFromShape(first.as.slice(axis + 1) as number[]);
  const result = { shape, as: [outer, total * inner], dtype: type };
  return engine.run({ name: `Concat ${parts.length} ${type}`, build }, feeds, { y: result })?.y;
}

/** More parts than this would each need a graph of their own number. */
const MOST_PARTS = 128;

const concat: Kernel = ({ engine, inputs, attrs }: Call<Record<string, tf.TensorInfo>, { axis: number }>) => {
  const all = Object.values(inputs);
  const parts = all.filter((x) => sizeOf(x) > 0);
  if (parts.length < 2 || parts.length > MOST_PARTS || !parts.every((x) => engine.holds(x) && movable(x)))
    return undefined;
  if (parts.some(({ dtype }) => dtype !== parts[0]!.dtype)) return undefined;
  const axis = tf.util.parseAxisParam(attrs.axis, all[0]!.shape)[0]!;
  const shape = tf.backend_util.computeOutShape(
    all.map((x) => x.shape),
    axis,
  );
  if (tf.util.sizeFromShape(shape) < FEW) return undefined;
  const seen = parts.map((tensor) => ({ tensor, as: tensor.shape }));
  return join(engine, seen, axis, shape);
};

const pack: Kernel = ({ engine, inputs, attrs: { axis } }: Call<Record<string, tf.TensorInfo>, { axis: number }>) => {
  const parts = Object.values(inputs);
  const [first] = parts as [tf.TensorInfo];
  if (parts.length > MOST_PARTS || sizeOf(first) * parts.length < FEW) return undefined;
  if (!parts.every((x) => engine.holds(x) && movable(x) && x.dtype === first.dtype)) return undefined;
  if (!parts.every((x) => tf.util.arraysEqual(x.shape, first.shape))) return undefined;
  const inserted = (size: number) => [...first.shape.slice(0, axis), size, ...first.shape.slice(axis)];
  const seen = parts.map((tensor) => ({ tensor, as: inserted(1) }));
  return join(engine, seen, axis, inserted(parts.length));
};

/** Takes a tensor apart along an axis, into parts of the given sizes. */
function split(engine: Call['engine'], x: tf.TensorInfo, axis: number, sizes: number[], shapes: number[][]) {
  const type = x.dtype as Movable;
  const outer = tf.util.sizeFromShape(x.shape.slice(0, axis));
  const inner = tf.util.sizeFromShape(x.shape.slice(axis + 1));
  const outputs = sizes.map((_, i) => `y${i}`);
  const build = () => ({
    nodes: [{ op: 'Split', inputs: ['x', 'sizes'], outputs, attributes: { axis: 1 } }],
    inputs: { x: type, sizes: 'int64' as const },
    outputs: Object.fromEntries(outputs.map((name) => [name, type])),
  });
  const widths = sizes.map((size) => size * inner);
  const results = Object.fromEntries(
    outputs.map((name, i) => [name, { shape: shapes[i]!, as: [outer, widths[i]!], dtype: type }]),
  );
  const feeds = { x: { tensor: x, as: [outer, x.shape[axis]! * inner] }, sizes: { whole: widths } };
  const made = engine.run({ name: `Split ${sizes.length} ${type}`, build }, feeds, results);
  return made && outputs.map((name) => made[name]!);
}

type SplitAttributes = { numOrSizeSplits: number | number[]; axis: number };

/** Along the first axis the cpu backend hands out parts of the array, which costs nothing. */
const splitV: Kernel = ({ engine, inputs: { x }, attrs }: Call<X, SplitAttributes>) => {
  const axis = tf.util.parseAxisParam(attrs.axis, x.shape)[0]!;
  if (!movable(x) || sizeOf(x) < FEW || !engine.holds(x)) return undefined;
  if (tf.util.sizeFromShape(x.shape.slice(0, axis)) === 1) return undefined;
  const sizes = tf.backend_util.prepareSplitSize(x as tf.Tensor, attrs.numOrSizeSplits, axis);
  if (sizes.length > MOST_PARTS || sizes.includes(0)) return undefined;
  const shapes = sizes.map((size) => x.shape.map((each, i) => (i === axis ? size : each)));
  return split(engine, x, axis, sizes, shapes);
};

const unpack: Kernel = ({ engine, inputs: { value }, attrs }: Call<{ value: tf.TensorInfo }, { axis: number }>) => {
  const axis = tf.util.parseAxisParam(attrs.axis, value.shape)[0]!;
  const count = value.shape[axis]!;
  if (!movable(value) || sizeOf(value) < FEW || count > MOST_PARTS || !engine.holds(value)) return undefined;
  if (tf.util.sizeFromShape(value.shape.slice(0, axis)) === 1) return undefined;
  const shape = value.shape.filter((_, i) => i !== axis);
  return split(engine, value, axis, Array(count).fill(1), Array(count).fill(shape));
};

/** Parts that lie together in memory are left to the cpu backend, which hands out that part of the array. */
const slice: Kernel = ({ engine, inputs: { x }, attrs }: Call<X, { begin: number[]; size: number[] }>) => {
  const [begin, size] = tf.slice_util.parseSliceParams(x as tf.Tensor, attrs.begin, attrs.size) as [number[], number[]];
  if (!movable(x) || tf.util.sizeFromShape(size) < FEW || !engine.holds(x)) return undefined;
  if (tf.slice_util.isSliceContinous(x.shape, begin, size)) return undefined;
  const type = x.dtype as Movable;
  const build = () => oneNode('Slice', { x: type, begin: 'int64', end: 'int64' }, { output: type });
  const end = begin.map((at, axis) => at + size[axis]!);
  const feeds = { x, begin: { whole: begin }, end: { whole: end } };
  return engine.run({ name: `Slice ${type}`, build }, feeds, { y: { shape: size, dtype: type } })?.y;
};

const tile: Kernel = ({ engine, inputs: { x }, attrs: { reps } }: Call<X, { reps: number[] }>) => {
  const shape = x.shape.map((size, axis) => size * reps[axis]!);
  if (!movable(x) || tf.util.sizeFromShape(shape) < FEW || !engine.holds(x)) return undefined;
  const type = x.dtype as Movable;
  const build = () => oneNode('Tile', { x: type, reps: 'int64' }, { output: type });
  return engine.run({ name: `Tile ${type}`, build }, { x, reps: { whole: reps } }, { y: { shape, dtype: type } })?.y;
};

type PadAttributes = { paddings: [number, number][]; constantValue: number };

const pad: Kernel = ({ engine, inputs: { x }, attrs: { paddings, constantValue } }: Call<X, PadAttributes>) => {
  const shape = x.shape.map((size, axis) => size + paddings[axis]![0] + paddings[axis]![1]);
  if (!isFloat(x) || tf.util.sizeFromShape(shape) < FEW || !engine.holds(x)) return undefined;
  const pads = { whole: [...paddings.map(([before]) => before), ...paddings.map(([, after]) => after)] };
  return engine.run(padGraph, { x, pads, value: { number: constantValue } }, { y: { shape } })?.y;
};

export const padGraph: NamedGraph = {
  name: 'Pad',
  build: () => oneNode('Pad', { x: 'float32', pads: 'int64', value: 'float32' }),
};

export const layout: Record<string, Kernel> = {
  Concat: concat,
  Pack: pack,
  PadV2: pad,
  Slice: slice,
  SplitV: splitV,
  Tile: tile,
  Transpose: transpose,
  Unpack: unpack,
};
