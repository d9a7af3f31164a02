import type * as tf from '@tensorflow/tfjs';
import type { NamedGraph } from '../engine';
import { isFloat, sizeOf } from './graphs';
import type { Call, Kernel } from './types';

/** So many numbers at a time: what is found on the way stays in the processor's cache. */
const PART = 256 * 1024;

const TENSORS = ['parameter', 'gradient', 'first', 'second'] as const;
const NUMBERS = ['beta1', 'share', 'beta2', 'squareShare', 'kept', 'rate', 'epsilon'] as const;

type Inputs = Record<(typeof TENSORS)[number], tf.TensorInfo> & { clip?: tf.TensorInfo };
type Attributes = Record<(typeof NUMBERS)[number], number>;

/** A step of Adam part by part, each in one run: as operations of their own, every one would read and write main memory. */
export const adamStep: Kernel = ({ engine, inputs, attrs }: Call<Inputs, Attributes>) => {
  const { clip, ...tensors } = inputs;
  const given = [...Object.values(tensors), ...(clip ? [clip] : [])];
  if (!given.every((each) => isFloat(each) && engine.holds(each))) return undefined;
  const size = sizeOf(inputs.parameter);
  const factor = clip ? engine.values(clip)[0]! : 1;
  const numbers = { ...attrs, share: attrs.share * factor, squareShare: attrs.squareShare * factor ** 2 };
  const constants = Object.fromEntries(NUMBERS.map((name) => [name, { number: numbers[name] }]));
  const result = { shape: inputs.parameter.shape };
  const made = (['changed', 'newFirst', 'newSecond'] as const).map((name) => ({ name, array: engine.take(result) }));
  try {
    for (let begin = 0; begin < size; begin += PART) {
      const end = Math.min(begin + PART, size);
      const part = (numbers: Float32Array) => ({ numbers: numbers.subarray(begin, end), as: [end - begin] });
      const feeds = Object.fromEntries(TENSORS.map((name) => [name, part(engine.values(inputs[name]))]));
      const outputs = Object.fromEntries(made.map(({ name, array }) => [name, part(array as Float32Array)]));
      if (!engine.fill(step, { ...feeds, ...constants }, outputs)) return undefined;
    }
    return made.map(({ array }) => engine.wrap(array, result));
  } finally {
    for (const { array } of made) engine.leave(array);
  }
};

const step: NamedGraph = {
  name: 'AdamStep',
  build: () => {
    const of = (op: string, inputs: string[], output: string) => ({ op, inputs, outputs: [output] });
    return {
      nodes: [
        of('Mul', ['first', 'beta1'], 'oldFirst'),
        of('Mul', ['gradient', 'share'], 'addedFirst'),
        of('Add', ['oldFirst', 'addedFirst'], 'newFirst'),
        of('Mul', ['second', 'beta2'], 'oldSecond'),
        of('Mul', ['gradient', 'gradient'], 'square'),
        of('Mul', ['square', 'squareShare'], 'addedSecond'),
        of('Add', ['oldSecond', 'addedSecond'], 'newSecond'),
        of('Sqrt', ['newSecond'], 'root'),
        of('Add', ['root', 'epsilon'], 'deviation'),
        of('Div', ['newFirst', 'deviation'], 'ratio'),
        of('Mul', ['ratio', 'rate'], 'move'),
        of('Mul', ['parameter', 'kept'], 'old'),
        of('Sub', ['old', 'move'], 'changed'),
      ],
      inputs: Object.fromEntries([...TENSORS, ...NUMBERS].map((name) => [name, 'float32'] as const)),
      outputs: { changed: 'float32', newFirst: 'float32', newSecond: 'float32' },
    };
  },
};
