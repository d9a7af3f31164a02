import * as tf from '@tensorflow/tfjs';
import {
  convFilterGradient,
  convInputGradient,
  depthwiseFilterGradient,
  depthwiseInputGradient,
} from './convGradients';
import { fastGather, fastTile } from './gather';
import { sharingIdentity } from './identity';
import { fastMatMul } from './matMul';
import { fastMean, fastSum, segmentSum } from './reduce';
import { fastSlice, fastSplit } from './slice';
import { fastTanh } from './tanh';
import { fastTranspose } from './transpose';

const repairs: Record<string, (stock: tf.KernelFunc) => tf.KernelFunc> = {
  BatchMatMul: fastMatMul,
  Transpose: fastTranspose,
  Slice: fastSlice,
  SplitV: fastSplit,
  GatherV2: fastGather,
  Tile: fastTile,
  Identity: sharingIdentity,
  Sum: fastSum,
  Mean: fastMean,
  Tanh: () => fastTanh,
  Conv2DBackpropInput: () => convInputGradient,
  // Those below are not there at all.
  UnsortedSegmentSum: () => segmentSum,
  Conv2DBackpropFilter: () => convFilterGradient,
  DepthwiseConv2dNativeBackpropInput: () => depthwiseInputGradient,
  DepthwiseConv2dNativeBackpropFilter: () => depthwiseFilterGradient,
};

const repaired = new Set<tf.KernelFunc>();

/**
 * Replaces the wasm kernels that hold up training and adds those that it lacks, from outside the package. To be called
 * after '@tensorflow/tfjs-backend-wasm' was imported, before or after the backend has started; calling it again changes
 * nothing.
 */
export function repairWasm(): void {
  for (const [kernelName, repair] of Object.entries(repairs)) {
    const stock = tf.getKernel(kernelName, 'wasm');
    if (stock && repaired.has(stock.kernelFunc)) continue;
    if (stock) tf.unregisterKernel(kernelName, 'wasm');
    const kernelFunc = repair(stock?.kernelFunc);
    repaired.add(kernelFunc);
    // The stock kernel's own set-up stays, because the repaired one may call it.
    tf.registerKernel({ ...stock, kernelName, backendName: 'wasm', kernelFunc });
  }
}
