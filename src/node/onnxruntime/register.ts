import * as tf from '@tensorflow/tfjs';
import type { OnnxBackend } from './backend';
import { Deferrals } from './deferred';
import type { Engine } from './engine';
import { kernels } from './kernels';
import { deferring } from './kernels/deferrals';
import { own } from './kernels/own';

export const BACKEND = 'onnxruntime';

/** Where a kernel ran. */
export type KernelCall = { kernel: string; on: 'onnxruntime' | 'cpu'; milliseconds: number };

let watch: ((call: KernelCall) => void) | undefined;

/** Tells of every kernel that runs during `action`. For measuring: it costs a clock's reading per kernel. */
export function profileKernels<T>(action: () => T, tell: (call: KernelCall) => void): T {
  watch = tell;
  try {
    return action();
  } finally {
    watch = undefined;
  }
}

/**
 * Registers every kernel of the cpu backend again; those of `kernels` run on onnxruntime where they can.
 */
export function registerKernels(engine: Engine): void {
  const deferrals = new Deferrals(engine);
  engine.backend.deferrals = deferrals;
  const later = deferring(deferrals);
  const register = (kernelName: string, otherwise: tf.KernelFunc, rest: Partial<tf.KernelConfig>) => {
    const defer = later[kernelName];
    const kernel = kernels[kernelName] ?? own[kernelName];
    const run: tf.KernelFunc = (call) => {
      const start = watch && performance.now();
      const given = { engine, inputs: call.inputs, attrs: call.attrs };
      const result = defer?.(given) ?? kernel?.(given);
      const answer = result ?? otherwise(call);
      const on = result ? 'onnxruntime' : 'cpu';
      if (start !== undefined) watch?.({ kernel: kernelName, on, milliseconds: performance.now() - start });
      return answer;
    };
    tf.registerKernel({ ...rest, kernelName, backendName: BACKEND, kernelFunc: run });
  };
  for (const { kernelName, kernelFunc, ...rest } of tf.getKernelsForBackend('cpu'))
    register(kernelName, (call) => (call.backend as OnnxBackend).asCpu(() => kernelFunc(call)), rest);
  for (const kernelName of Object.keys(own)) register(kernelName, () => [], {});
}
