import * as tf from '@tensorflow/tfjs';
import { setBackend } from '../../backends/chooseBackend';
import type { Candidate } from '../../backends/types';
import { makeBackend } from './backend';
import { openOnnxruntime } from './binding';
import { Engine } from './engine';
import { BACKEND, registerKernels } from './register';

/**
 * Native kernels from the package onnxruntime-node under tfjs, on up to `threads` threads.
 *
 * @param open - finds the package
 */
export function onnxruntimeCandidate(threads: number, open = openOnnxruntime): Candidate {
  return {
    name: BACKEND,
    start: async () => {
      const onnxruntime = open();
      if (tf.findBackendFactory(BACKEND)) tf.removeBackend(BACKEND);
      for (const { kernelName } of tf.getKernelsForBackend(BACKEND)) tf.unregisterKernel(kernelName, BACKEND);
      const backend = makeBackend();
      registerKernels(new Engine(backend, onnxruntime, threads));
      tf.registerBackend(BACKEND, () => backend);
      await setBackend(BACKEND);
      proveProducts();
      return { threads, versions: { onnxruntime: onnxruntime.version } };
    },
  };
}

/**
 * The proof that every backend has to pass takes so few numbers that they are not given to onnxruntime at all; here are
 * enough for it, on one thread and on all. Whole numbers, whose products and sums are exact.
 */
function proveProducts(): void {
  for (const size of [48, 256]) {
    const right = tf.tidy(() => {
      const count = tf.reshape(tf.range(0, size * size), [size, size]);
      const x = tf.mod(count, 7); // row i, column k: (i size + k) mod 7
      const product = tf.add(tf.matMul(x, x, true, false), tf.tensor1d(new Float32Array(size).fill(-3)));
      const [a, b] = [x.dataSync(), product.dataSync()];
      const expected = (i: number, j: number) =>
        Array.from({ length: size }, (_, k) => a[k * size + i]! * a[k * size + j]!).reduce((x, y) => x + y, -3);
      return [0, 5, size - 1].every((i) => [0, 3, size - 1].every((j) => b[i * size + j] === expected(i, j)));
    });
    if (!right)
      throw new Error(`it computes wrong numbers: a product of ${size} x ${size} numbers is not what it should be.`);
  }
}
