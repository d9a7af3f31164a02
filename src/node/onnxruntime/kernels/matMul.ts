import * as tf from '@tensorflow/tfjs';
import type { NamedGraph } from '../engine';
import { withBiasAndActivation } from './fused';
import { isFloat, oneNode } from './graphs';
import type { Call, Kernel } from './types';

/** Fewer multiplications are done sooner in JavaScript. */
export const FEW_PRODUCTS = 8192;

type Factors = { a: tf.TensorInfo; b: tf.TensorInfo };
type Transposes = { transposeA: boolean; transposeB: boolean };

/** a [..., rows, inner] times b [..., inner, columns], either of them given transposed; leading axes are broadcast. */
const batchMatMul: Kernel = ({ engine, inputs: { a, b }, attrs }: Call<Factors, Transposes>) => {
  const { transposeA, transposeB } = attrs;
  if (!isFloat(a) || !isFloat(b) || !engine.holds(a) || !engine.holds(b)) return undefined;
  const [rows, inner] = (transposeA ? a.shape.slice(-2).reverse() : a.shape.slice(-2)) as [number, number];
  const columns = b.shape.at(transposeB ? -2 : -1)!;
  const leading = tf.broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const shape = [...leading, rows, columns];
  if (tf.util.sizeFromShape(shape) * inner < FEW_PRODUCTS) return undefined;

  if (inner === 1) {
    // Every number of one side times every number of the other: several times faster than as a product.
    const [left, right] = [
      [...a.shape.slice(0, -2), rows, 1],
      [...b.shape.slice(0, -2), 1, columns],
    ];
    return engine.run(outer, { a: { tensor: a, as: left }, b: { tensor: b, as: right } }, { y: { shape } })?.y;
  }
  if (tf.util.sizeFromShape(leading) === 1) {
    const feeds = { a: { tensor: a, as: a.shape.slice(-2) }, b: { tensor: b, as: b.shape.slice(-2) } };
    return engine.run(gemmGraph(transposeA, transposeB), feeds, { y: { shape, as: [rows, columns] } })?.y;
  }
  return engine.run(batchedGraph(transposeA, transposeB), { a, b }, { y: { shape } })?.y;
};

/** y = a b of two matrices. */
export const gemmGraph = (transposeA: boolean, transposeB: boolean): NamedGraph => ({
  name: `Gemm ${transposeA} ${transposeB}`,
  build: () => oneNode('Gemm', FACTORS, { attributes: transposes(transposeA, transposeB) }),
});

/** onnxruntime's own MatMul, which reads its inputs transposed where asked. */
const batchedGraph = (transposeA: boolean, transposeB: boolean): NamedGraph => ({
  name: `MatMul ${transposeA} ${transposeB}`,
  build: () =>
    oneNode('FusedMatMul', FACTORS, { attributes: transposes(transposeA, transposeB), domain: 'com.microsoft' }),
});

const outer: NamedGraph = { name: 'Mul', build: () => oneNode('Mul', FACTORS) };

const FACTORS = { a: 'float32', b: 'float32' } as const;
const transposes = (a: boolean, b: boolean) => ({ transA: Number(a), transB: Number(b) });

export const matMul: Record<string, Kernel> = {
  BatchMatMul: batchMatMul,
  _FusedMatMul: withBiasAndActivation(batchMatMul),
};
