import type * as tf from '@tensorflow/tfjs';
import { geluByErf, geluByTanh, normaliseRows } from '../../rows';
import type { NamedGraph } from '../engine';
import { adamStep } from './adam';
import { additiveScores, additiveSlopes } from './attention';
import { isFloat, oneNode, sizeOf } from './graphs';
import { lstmBackward, lstmCell } from './lstm';
import { FEW_PRODUCTS } from './matMul';
import type { Call, Kernel } from './types';

/** Up to so many numbers are computed sooner in JavaScript. */
const FEW = 4096;

const layerNorm: Kernel = ({
  engine,
  inputs: { x, weight, bias },
  attrs: { epsilon },
}: Call<Record<'x' | 'weight' | 'bias', tf.TensorInfo>, { epsilon: number }>) => {
  if (![x, weight, bias].every((each) => isFloat(each) && engine.holds(each))) return undefined;
  const { shape } = x;
  if (sizeOf(x) <= FEW) {
    const normal = normaliseRows(engine.values(x), engine.values(weight), engine.values(bias), epsilon);
    return engine.wrap(normal, { shape });
  }
  const attributes = { epsilon: { float: epsilon } };
  const build = () =>
    oneNode('LayerNormalization', { x: 'float32', weight: 'float32', bias: 'float32' }, { attributes });
  return engine.run({ name: `LayerNormalization ${epsilon}`, build }, { x, weight, bias }, { y: { shape } })?.y;
};

const gelu: Kernel = ({
  engine,
  inputs: { x },
  attrs: { approximate },
}: Call<{ x: tf.TensorInfo }, { approximate: boolean }>) => {
  if (!isFloat(x) || !engine.holds(x)) return undefined;
  const { shape } = x;
  if (sizeOf(x) <= FEW) return engine.wrap((approximate ? geluByTanh : geluByErf)(engine.values(x)), { shape });
  const op = approximate ? 'FastGelu' : 'Gelu';
  const build = () => oneNode(op, { x: 'float32' }, { domain: 'com.microsoft' });
  const flat = [sizeOf(x)];
  return engine.run({ name: op, build }, { x: { tensor: x, as: flat } }, { y: { shape, as: flat } })?.y;
};

const dense: Kernel = ({
  engine,
  inputs: { x, weight, bias },
}: Call<Record<'x' | 'weight' | 'bias', tf.TensorInfo>>) => {
  if (![x, weight, bias].every((each) => isFloat(each) && engine.holds(each))) return undefined;
  const [inner, columns] = weight.shape as [number, number];
  const rows = sizeOf(x) / inner;
  if (rows * inner * columns < FEW_PRODUCTS) return undefined;
  const feeds = { x: { tensor: x, as: [rows, inner] }, weight, bias };
  const result = { shape: [...x.shape.slice(0, -1), columns], as: [rows, columns] };
  return engine.run(shiftedProduct, feeds, { y: result })?.y;
};

const shiftedProduct: NamedGraph = {
  name: 'Gemm with bias',
  build: () => oneNode('Gemm', { x: 'float32', weight: 'float32', bias: 'float32' }),
};

/** What models ask for by `ownKernel`: no kernels of tfjs, and no others stand behind them. */
export const own: Record<string, Kernel> = {
  AdamStep: adamStep,
  AdditiveScores: additiveScores,
  AdditiveSlopes: additiveSlopes,
  Dense: dense,
  Gelu: gelu,
  LayerNorm: layerNorm,
  LSTMBackward: lstmBackward,
  LSTMCell: lstmCell,
};
