import * as tf from '@tensorflow/tfjs';
import { FEW, isFloat, oneNode, sizeOf } from './graphs';
import type { Call, Kernel } from './types';

type Inputs = { x: tf.TensorInfo };
/** What tfjs calls the axes differs between kernels. */
type Attributes = { axis?: number | number[]; reductionIndices?: number | number[]; keepDims?: boolean };

function reduce(op: string): Kernel {
  const build = () => oneNode(op, { x: 'float32', axes: 'int64' });
  return ({ engine, inputs: { x }, attrs }: Call<Inputs, Attributes>) => {
    if (!isFloat(x) || sizeOf(x) < FEW || !engine.holds(x)) return undefined;
    const axes = tf.util.parseAxisParam((attrs.axis ?? attrs.reductionIndices) as number | number[], x.shape);
    if (axes.length === 0) return undefined;
    const kept = tf.backend_util.expandShapeToKeepDim(
      x.shape.filter((_, axis) => !axes.includes(axis)),
      axes,
    );
    const shape = attrs.keepDims ? kept : x.shape.filter((_, axis) => !axes.includes(axis));
    return engine.run({ name: op, build }, { x, axes: { whole: axes } }, { y: { shape, as: kept } })?.y;
  };
}

const softmax: Kernel = ({ engine, inputs: { logits } }: Call<{ logits: tf.TensorInfo }>) => {
  if (!isFloat(logits) || sizeOf(logits) < FEW || !engine.holds(logits)) return undefined;
  const rows = { tensor: logits, as: [sizeOf(logits) / logits.shape.at(-1)!, logits.shape.at(-1)!] };
  const graph = { name: 'Softmax', build: () => oneNode('Softmax', { x: 'float32' }) };
  return engine.run(graph, { x: rows }, { y: { shape: logits.shape, as: rows.as } })?.y;
};

/**
 * Of those along an axis onnxruntime's largest and smallest pass over NaN, depending on the axis. The sum does not, and
 * where it is NaN (also for infinities of both signs) the cpu backend looks itself.
 */
function extreme(op: 'ReduceMax' | 'ReduceMin'): Kernel {
  const find = reduce(op);
  const add = reduce('ReduceSum');
  return (call) => {
    const sum = add({ ...call, attrs: { axis: call.attrs.reductionIndices } }) as tf.TensorInfo | undefined;
    if (!sum) return undefined;
    const bad = call.engine.values(sum).some(Number.isNaN);
    call.engine.backend.disposeData(sum.dataId);
    return bad ? undefined : find(call);
  };
}

export const reductions: Record<string, Kernel> = {
  Max: extreme('ReduceMax'),
  Mean: reduce('ReduceMean'),
  Min: extreme('ReduceMin'),
  Prod: reduce('ReduceProd'),
  Sum: reduce('ReduceSum'),
  Softmax: softmax,
};
