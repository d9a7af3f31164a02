import * as tf from '@tensorflow/tfjs';
import { matrixProduct } from './products';
import { smallKernels } from './small';

/** tfjs-node's name for its backend. */
const BACKEND = 'tensorflow';

const registered = new Set<tf.KernelFunc>();

/**
 * Puts kernels before those of tfjs-node that hold up generation, and adds those of `ownKernel`. For a processor: numbers
 * of a graphics card would have to be fetched. Calling it again changes nothing.
 */
export function registerKernels(): void {
  for (const [kernelName, before] of smallKernels) {
    const stock = tf.getKernel(kernelName, BACKEND);
    if (stock && registered.has(stock.kernelFunc)) continue;
    if (stock) tf.unregisterKernel(kernelName, BACKEND);
    const next = kernelName === 'BatchMatMul' && stock ? matrixProduct(stock.kernelFunc) : stock?.kernelFunc;
    const kernelFunc = before(next);
    registered.add(kernelFunc);
    tf.registerKernel({ ...stock, kernelName, backendName: BACKEND, kernelFunc });
  }
}
