import * as tf from '@tensorflow/tfjs';
import type { Attribute, ElementType, Graph, Node } from '../model';

/** Fewer numbers than this are computed sooner in JavaScript than onnxruntime is called. */
export const FEW = 1024;

export const sizeOf = (x: tf.TensorInfo) => tf.util.sizeFromShape(x.shape);

export const isFloat = (x: tf.TensorInfo) => x.dtype === 'float32';

/** A graph of one operator; inputs go by name and type, and its output is y. */
export function oneNode(
  op: string,
  inputs: Record<string, ElementType>,
  { attributes = {}, domain, output = 'float32' }: Pick<Node, 'domain'> & Extra = {},
): Graph {
  const node = { op, inputs: Object.keys(inputs), outputs: ['y'], attributes, ...(domain && { domain }) };
  return { nodes: [node], inputs, outputs: { y: output } };
}

type Extra = { attributes?: Record<string, Attribute>; output?: ElementType };
