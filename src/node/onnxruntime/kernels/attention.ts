import type * as tf from '@tensorflow/tfjs';
import type { Feed, NamedGraph } from '../engine';
import type { Node } from '../model';
import { FEW, isFloat } from './graphs';
import type { Call, Kernel } from './types';

/** About so many numbers at a time, those of whole images: they stay in the processor's cache until they are summed. */
const PART = 256 * 1024;

type Activation = { activation: 'tanh' | 'relu' };

/** Scores of additive attention, some images after the others: the hidden layer of all would be written to main memory and read again twice. */
export const additiveScores: Kernel = ({
  engine,
  inputs: { asked, keys, weight, bias },
  attrs: { activation },
}: Call<Record<'asked' | 'keys' | 'weight' | 'bias', tf.TensorInfo>, Activation>) => {
  const [images, positions, size] = keys.shape as [number, number, number];
  const perImage = asked.shape[0]! / images;
  return byImages({ engine, images, numbers: perImage * positions * size }, scoresBy[activation], {
    divided: { asked: { tensor: asked, as: [perImage, 1, size] }, keys: { tensor: keys, as: [1, positions, size] } },
    whole: { weight, bias },
    results: { scores: { shape: [images, perImage, positions], as: [perImage, positions, 1] } },
  });
};

/** What the way back needs of the hidden layer, which is computed again, in the same way. */
export const additiveSlopes: Kernel = ({
  engine,
  inputs: { asked, keys, scores },
  attrs: { activation },
}: Call<Record<'asked' | 'keys' | 'scores', tf.TensorInfo>, Activation>) => {
  const [images, positions, size] = keys.shape as [number, number, number];
  const perImage = asked.shape[0]! / images;
  const byRow = { shape: asked.shape, as: [perImage, 1, size] };
  return byImages({ engine, images, numbers: perImage * positions * size }, slopesBy[activation], {
    divided: {
      asked: { tensor: asked, as: [perImage, 1, size] },
      keys: { tensor: keys, as: [1, positions, size] },
      scores: { tensor: scores, as: [perImage, 1, positions] },
    },
    results: { byHidden: byRow, bySlope: byRow, bent: { shape: keys.shape, as: [1, positions, size] } },
  });
};

type Divided = {
  /** By images, and the shape of one image's share. */
  divided: Record<string, { tensor: tf.TensorInfo; as: readonly number[] }>;
  whole?: Record<string, tf.TensorInfo>;
  results: Record<string, { shape: number[]; as: readonly number[] }>;
};

/** Runs a graph for some images after the others. `numbers`: of an image, the most that the graph holds at once */
function byImages(
  { engine, images, numbers }: { engine: Call['engine']; images: number; numbers: number },
  graph: NamedGraph,
  { divided, whole = {}, results }: Divided,
): tf.TensorInfo[] | undefined {
  const given = [...Object.values(divided).map(({ tensor }) => tensor), ...Object.values(whole)];
  if (images * numbers < FEW || !given.every((each) => isFloat(each) && engine.holds(each))) return undefined;
  const made = Object.entries(results).map(([name, { shape, as }]) => ({
    ...{ name, shape, as },
    array: engine.take({ shape }) as Float32Array,
  }));
  const atOnce = Math.max(1, Math.floor(PART / numbers));
  try {
    for (let begin = 0; begin < images; begin += atOnce) {
      const count = Math.min(atOnce, images - begin);
      const share = (values: Float32Array, as: readonly number[]) => {
        const each = values.length / images;
        return { numbers: values.subarray(begin * each, (begin + count) * each), as: [count, ...as] };
      };
      const feeds: Record<string, Feed> = { ...whole };
      for (const [name, { tensor, as }] of Object.entries(divided)) feeds[name] = share(engine.values(tensor), as);
      const outputs = Object.fromEntries(made.map(({ name, array, as }) => [name, share(array, as)]));
      if (!engine.fill(graph, feeds, outputs)) return undefined;
    }
    return made.map(({ array, shape }) => engine.wrap(array, { shape }));
  } finally {
    for (const { array } of made) engine.leave(array);
  }
}

const of = (op: string, inputs: string[], output: string): Node => ({ op, inputs, outputs: [output] });

/** [images, rows of an image, positions, size] */
const hidden = (op: string): Node[] => [of('Add', ['keys', 'asked'], 'sum'), of(op, ['sum'], 'hidden')];

const scoresGraph = (op: string): NamedGraph => ({
  name: `AdditiveScores ${op}`,
  build: () => ({
    nodes: [...hidden(op), of('MatMul', ['hidden', 'weight'], 'product'), of('Add', ['product', 'bias'], 'scores')],
    inputs: { asked: 'float32', keys: 'float32', weight: 'float32', bias: 'float32' },
    outputs: { scores: 'float32' },
  }),
});

const slopesGraph = (op: string, slope: Node): NamedGraph => ({
  name: `AdditiveSlopes ${op}`,
  build: () => ({
    nodes: [
      ...hidden(op),
      slope,
      of('MatMul', ['scores', 'hidden'], 'byHidden'),
      of('MatMul', ['scores', 'slope'], 'bySlope'),
      { op: 'Transpose', inputs: ['scores'], outputs: ['down'], attributes: { perm: [0, 1, 3, 2] } },
      of('Mul', ['slope', 'down'], 'ofRows'),
      { op: 'ReduceSum', inputs: ['ofRows', 'rows'], outputs: ['bent'], attributes: { keepdims: 1 } },
    ],
    inputs: { asked: 'float32', keys: 'float32', scores: 'float32' },
    outputs: { byHidden: 'float32', bySlope: 'float32', bent: 'float32' },
    constants: { rows: { type: 'int64', shape: [1], values: [1] } },
  }),
});

const scoresBy = { tanh: scoresGraph('Tanh'), relu: scoresGraph('Relu') };
const slopesBy = {
  tanh: slopesGraph('Tanh', of('Mul', ['hidden', 'hidden'], 'slope')),
  relu: slopesGraph('Relu', of('Sign', ['hidden'], 'slope')),
};
