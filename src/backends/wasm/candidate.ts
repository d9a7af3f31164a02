import * as tf from '@tensorflow/tfjs';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import { setBackend } from '../chooseBackend';
import type { Candidate, SelectBackendOptions } from '../types';
import { guardMemory } from './memory';
import { repairWasm } from './repair';

export type WasmPackage = typeof import('@tensorflow/tfjs-backend-wasm');

/** What differs between browser and Node. */
export type WasmSurroundings = {
  /** Where the .wasm files are, if the caller did not say it and the package would not find them. */
  locate?: () => Promise<NonNullable<SelectBackendOptions['wasmPaths']>>;
  /** Builds the backend otherwise than the package does. */
  build?: (wasm: WasmPackage) => Promise<BackendWasm>;
};

/** wasm with its kernels repaired. A backend that is already running is kept, with its tensors and threads. */
export function wasmCandidate({ locate, build }: WasmSurroundings): Candidate {
  return {
    name: 'wasm',
    start: async ({ wasmPaths, threads }) => {
      const wasm = await import('@tensorflow/tfjs-backend-wasm');
      repairWasm();
      if (!('wasm' in tf.engine().registry)) {
        const paths = wasmPaths ?? (await locate?.());
        if (paths !== undefined) wasm.setWasmPaths(paths);
        if (threads !== undefined) wasm.setThreadsCount(threads);
        if (build) {
          const backend = await build(wasm);
          tf.removeBackend('wasm');
          tf.registerBackend('wasm', () => backend, 2);
        }
      }
      await setBackend('wasm');
      guardMemory(tf.backend() as BackendWasm);
      return { threads: wasm.getThreadsCount(), versions: { 'tfjs-backend-wasm': wasm.version_wasm } };
    },
  };
}
