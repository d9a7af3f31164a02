import type * as tf from '@tensorflow/tfjs';
import type { NamedGraph } from '../engine';
import { FEW, isFloat } from './graphs';
import type { Call, Kernel } from './types';

/** About so many numbers at a time, those of whole images: they stay in the processor's cache until they are summed. */
const PART = 256 * 1024;

type Inputs = Record<'asked' | 'keys' | 'weight' | 'bias', tf.TensorInfo>;

/** Scores of additive attention, some images after the others: the hidden layer of all would be written to main memory and read again twice. */
export const additiveScores: Kernel = ({
  engine,
  inputs,
  attrs: { activation },
}: Call<Inputs, { activation: 'tanh' | 'relu' }>) => {
  if (!Object.values(inputs).every((each) => isFloat(each) && engine.holds(each))) return undefined;
  const { asked, keys, weight, bias } = inputs;
  const [images, positions, size] = keys.shape as [number, number, number];
  const perImage = asked.shape[0]! / images;
  const hidden = perImage * positions * size;
  if (images * hidden < FEW) return undefined;
  const result = { shape: [images, perImage, positions] };
  const scores = engine.take(result) as Float32Array;
  const atOnce = Math.max(1, Math.floor(PART / hidden));
  try {
    for (let begin = 0; begin < images; begin += atOnce) {
      const count = Math.min(atOnce, images - begin);
      const part = (numbers: Float32Array, as: number[]) => {
        const each = numbers.length / images;
        return { numbers: numbers.subarray(begin * each, (begin + count) * each), as: [count, ...as] };
      };
      const feeds = {
        asked: part(engine.values(asked), [perImage, 1, size]),
        keys: part(engine.values(keys), [1, positions, size]),
        weight,
        bias,
      };
      if (!engine.fill(graphs[activation], feeds, { scores: part(scores, [perImage, positions, 1]) })) return undefined;
    }
    return engine.wrap(scores, result);
  } finally {
    engine.leave(scores);
  }
};

const scoresBy = (op: string): NamedGraph => ({
  name: `AdditiveScores ${op}`,
  build: () => ({
    nodes: [
      { op: 'Add', inputs: ['keys', 'asked'], outputs: ['sum'] },
      { op, inputs: ['sum'], outputs: ['hidden'] },
      { op: 'MatMul', inputs: ['hidden', 'weight'], outputs: ['product'] },
      { op: 'Add', inputs: ['product', 'bias'], outputs: ['scores'] },
    ],
    inputs: { asked: 'float32', keys: 'float32', weight: 'float32', bias: 'float32' },
    outputs: { scores: 'float32' },
  }),
});

const graphs = { tanh: scoresBy('Tanh'), relu: scoresBy('Relu') };
