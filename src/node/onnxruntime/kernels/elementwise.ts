import * as tf from '@tensorflow/tfjs';
import type { NamedGraph } from '../engine';
import type { Graph } from '../model';
import { FEW, isFloat, oneNode, sizeOf } from './graphs';
import type { Call, Kernel } from './types';

type X = { x: tf.TensorInfo };
type AB = { a: tf.TensorInfo; b: tf.TensorInfo };

/** A graph from x to y, number by number. */
function unary(graph: NamedGraph): Kernel {
  return ({ engine, inputs: { x } }: Call<X>) => {
    if (!isFloat(x) || sizeOf(x) < FEW || !engine.holds(x)) return undefined;
    const flat = [sizeOf(x)];
    return engine.run(graph, { x: { tensor: x, as: flat } }, { y: { shape: x.shape, as: flat } })?.y;
  };
}

const operator = (op: string) => unary({ name: op, build: () => oneNode(op, { x: 'float32' }) });

function binary(op: string, output: 'float32' | 'bool' = 'float32'): Kernel {
  const graph = { name: op, build: () => oneNode(op, { a: 'float32', b: 'float32' }, { output }) };
  return ({ engine, inputs: { a, b } }: Call<AB>) => {
    if (!isFloat(a) || !isFloat(b) || !engine.holds(a) || !engine.holds(b)) return undefined;
    const shape = tf.broadcast_util.assertAndGetBroadcastShape(a.shape, b.shape);
    if (tf.util.sizeFromShape(shape) < FEW) return undefined;
    return engine.run(graph, { a, b }, { y: { shape, dtype: output } })?.y;
  };
}

const chain = (steps: [op: string, ...inputs: string[]][], constants: Record<string, number>): Graph => ({
  nodes: steps.map(([op, ...inputs], i) => ({
    op,
    inputs,
    outputs: [i === steps.length - 1 ? 'y' : `${i}`],
  })),
  inputs: { x: 'float32' },
  outputs: { y: 'float32' },
  constants: Object.fromEntries(
    Object.entries(constants).map(([name, value]) => [
      name,
      { type: 'float32', shape: [], values: Float32Array.of(value) },
    ]),
  ),
});

/** 1 / (1 + exp(-x)) step by step: the operator Sigmoid ends at x = -18 and gives 0 from there. */
const sigmoid = unary({
  name: 'Sigmoid',
  build: () =>
    chain(
      [
        ['Neg', 'x'],
        ['Exp', '0'],
        ['Add', '1', 'one'],
        ['Reciprocal', '2'],
      ],
      { one: 1 },
    ),
});

const square = unary({ name: 'Square', build: () => chain([['Mul', 'x', 'x']], {}) });

const rsqrt = unary({
  name: 'Rsqrt',
  build: () =>
    chain(
      [
        ['Sqrt', 'x'],
        ['Reciprocal', '0'],
      ],
      {},
    ),
});

/** 0 below and at 0, 1 above it, NaN for NaN: the least whole number not below x, cut to 0 ... 1. */
const stepAtZero = unary({
  name: 'Step',
  build: () =>
    chain(
      [
        ['Clip', 'x', 'zero', 'one'],
        ['Ceil', '0'],
      ],
      { zero: 0, one: 1 },
    ),
});

const step: Kernel = (call: Call<X, { alpha: number }>) => (call.attrs.alpha === 0 ? stepAtZero(call) : undefined);

const clip: NamedGraph = {
  name: 'Clip',
  build: () => oneNode('Clip', { x: 'float32', low: 'float32', high: 'float32' }),
};

const clipped = ({ engine, inputs: { x } }: Call<X>, low: number, high: number) => {
  if (!isFloat(x) || sizeOf(x) < FEW || !engine.holds(x)) return undefined;
  return engine.run(clip, { x, low: { number: low }, high: { number: high } }, { y: { shape: x.shape } })?.y;
};

const clipByValue: Kernel = (call: Call<X, { clipValueMin: number; clipValueMax: number }>) =>
  clipped(call, call.attrs.clipValueMin, call.attrs.clipValueMax);

const relu6: Kernel = (call: Call<X>) => clipped(call, 0, 6);

/** Where condition, t and e have one shape. */
const select: Kernel = ({
  engine,
  inputs: { condition, t, e },
}: Call<Record<'condition' | 't' | 'e', tf.TensorInfo>>) => {
  if (sizeOf(t) < FEW || !isFloat(t) || !isFloat(e) || condition.dtype !== 'bool') return undefined;
  if (![condition, t, e].every((x) => engine.holds(x)) || !tf.util.arraysEqual(condition.shape, t.shape))
    return undefined;
  const graph = {
    name: 'Where',
    build: () => oneNode('Where', { condition: 'bool', t: 'float32', e: 'float32' }),
  };
  return engine.run(graph, { condition, t, e }, { y: { shape: t.shape } })?.y;
};

/** From bool or int32 to float32. The other ways round off differently. */
const cast: Kernel = ({ engine, inputs: { x }, attrs: { dtype } }: Call<X, { dtype: tf.DataType }>) => {
  const from = x.dtype;
  if (dtype !== 'float32' || (from !== 'bool' && from !== 'int32') || sizeOf(x) < FEW || !engine.holds(x))
    return undefined;
  const graph = { name: `Cast ${from}`, build: () => oneNode('Cast', { x: from }, { attributes: { to: 1 } }) };
  return engine.run(graph, { x }, { y: { shape: x.shape } })?.y;
};

export const elementwise: Record<string, Kernel> = {
  Abs: operator('Abs'),
  Cast: cast,
  Ceil: operator('Ceil'),
  ClipByValue: clipByValue,
  Exp: operator('Exp'),
  Floor: operator('Floor'),
  Log: operator('Log'),
  Neg: operator('Neg'),
  Reciprocal: operator('Reciprocal'),
  Relu: operator('Relu'),
  Relu6: relu6,
  Rsqrt: rsqrt,
  Select: select,
  Sigmoid: sigmoid,
  Sqrt: operator('Sqrt'),
  Square: square,
  Step: step,
  Tanh: operator('Tanh'),

  Add: binary('Add'),
  Sub: binary('Sub'),
  Multiply: binary('Mul'),
  RealDiv: binary('Div'),
  Maximum: binary('Max'),
  Minimum: binary('Min'),
  Equal: binary('Equal', 'bool'),
  Greater: binary('Greater', 'bool'),
  GreaterEqual: binary('GreaterOrEqual', 'bool'),
  Less: binary('Less', 'bool'),
  LessEqual: binary('LessOrEqual', 'bool'),
};
