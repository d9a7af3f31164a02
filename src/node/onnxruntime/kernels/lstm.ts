import type * as tf from '@tensorflow/tfjs';
import type { NamedGraph } from '../engine';
import { FEW, isFloat, sizeOf } from './graphs';
import type { Call, Kernel } from './types';

const RESULTS = ['hidden', 'next', 'input', 'forget', 'candidate', 'output', 'squashed'] as const;

/** A step of an LSTM after its products, in one run instead of ten. */
export const lstmCell: Kernel = ({
  engine,
  inputs: { gates, cell },
}: Call<Record<'gates' | 'cell', tf.TensorInfo>>) => {
  if (sizeOf(cell) < FEW || ![gates, cell].every((each) => isFloat(each) && engine.holds(each))) return undefined;
  const results = Object.fromEntries(RESULTS.map((name) => [name, { shape: cell.shape }]));
  const made = engine.run(step, { gates, cell }, results);
  return made && RESULTS.map((name) => made[name]!);
};

const SLOPES = ['hiddenToOutput', 'hiddenToCell', 'cellToGates', 'cellToBefore'] as const;

/** The way back through a step, up to the products. */
export const lstmBackward: Kernel = ({
  engine,
  inputs,
}: Call<Record<'hidden' | 'cell' | (typeof SLOPES)[number], tf.TensorInfo>>) => {
  const { cell } = inputs;
  if (sizeOf(cell) < FEW || !Object.values(inputs).every((each) => isFloat(each) && engine.holds(each)))
    return undefined;
  const [rows, size] = cell.shape as [number, number];
  const made = engine.run(back, inputs, { gates: { shape: [rows, 4 * size] }, before: { shape: cell.shape } });
  return made && [made.gates, made.before];
};

const back: NamedGraph = {
  name: 'LSTMBackward',
  build: () => {
    const of = (op: string, inputs: string[], output: string) => ({ op, inputs, outputs: [output] });
    return {
      nodes: [
        of('Mul', ['hidden', 'hiddenToCell'], 'fromHidden'),
        of('Add', ['cell', 'fromHidden'], 'reached'),
        of('Unsqueeze', ['reached', 'one'], 'above'),
        of('Mul', ['above', 'cellToGates'], 'inner'),
        of('Reshape', ['inner', 'flat'], 'innerFlat'),
        of('Mul', ['hidden', 'hiddenToOutput'], 'outer'),
        { op: 'Concat', inputs: ['innerFlat', 'outer'], outputs: ['gates'], attributes: { axis: 1 } },
        of('Mul', ['reached', 'cellToBefore'], 'before'),
      ],
      inputs: Object.fromEntries(['hidden', 'cell', ...SLOPES].map((name) => [name, 'float32'] as const)),
      outputs: { gates: 'float32', before: 'float32' },
      constants: {
        one: { type: 'int64', shape: [1], values: [1] },
        flat: { type: 'int64', shape: [2], values: [0, -1] }, // as many rows, and all else
      },
    };
  },
};

const step: NamedGraph = {
  name: 'LSTMCell',
  build: () => {
    const of = (op: string, inputs: string[], output: string) => ({ op, inputs, outputs: [output] });
    /** Step by step, as the kernel `Sigmoid`. */
    const sigmoid = (name: string) => [
      of('Neg', [`${name} before`], `${name} turned`),
      of('Exp', [`${name} turned`], `${name} odds`),
      of('Add', [`${name} odds`, 'one'], `${name} whole`),
      of('Reciprocal', [`${name} whole`], name),
    ];
    const gates = ['input', 'forget', 'candidate', 'output'];
    return {
      nodes: [
        {
          op: 'Split',
          inputs: ['gates'],
          outputs: gates.map((name) => `${name} before`),
          attributes: { axis: 1, num_outputs: 4 },
        },
        ...['input', 'forget', 'output'].flatMap(sigmoid),
        of('Tanh', ['candidate before'], 'candidate'),
        of('Mul', ['forget', 'cell'], 'remembered'),
        of('Mul', ['input', 'candidate'], 'added'),
        of('Add', ['remembered', 'added'], 'next'),
        of('Tanh', ['next'], 'squashed'),
        of('Mul', ['output', 'squashed'], 'hidden'),
      ],
      inputs: { gates: 'float32', cell: 'float32' },
      outputs: Object.fromEntries(RESULTS.map((name) => [name, 'float32'] as const)),
      constants: { one: { type: 'float32', shape: [], values: Float32Array.of(1) } },
    };
  },
};
