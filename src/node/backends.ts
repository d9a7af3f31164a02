import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import * as tf from '@tensorflow/tfjs';
import { chooseBackend, cpu, setBackend } from '../backends/chooseBackend';
import type { BackendDescription, Candidate, SelectBackendOptions } from '../backends/types';
import { type WasmPackage, wasmCandidate } from '../backends/wasm/candidate';
import { expectWhole } from '../core/errors';
import { onnxruntimeCandidate } from './onnxruntime/candidate';
import { registerKernels } from './tensorflow/register';
import { threadedWasm } from './wasmThreads';

/**
 * Makes the fastest backend that works here the current one of tfjs: tfjs-node-gpu, tfjs-node, onnxruntime, wasm or
 * cpu. Each is proven on a small product and its gradient before it is taken. The native ones are taken where they are installed.
 *
 * @returns which one was taken, and why those before it were not
 * @throws Error with the reasons if none of those in `prefer` works
 */
export async function selectBackend(options: SelectBackendOptions = {}): Promise<BackendDescription> {
  const { threads = availableParallelism() } = options;
  expectWhole('threads', threads, 1);
  const candidates = [native('tfjs-node-gpu'), native('tfjs-node'), onnxruntimeCandidate(threads), wasm, cpu];
  if (threads > 1) candidates.splice(3, 0, wasmWithThreads(threads));
  return chooseBackend(candidates, options);
}

const wasm = keepingExitStatus(wasmCandidate({}));

function wasmWithThreads(threads: number): Candidate {
  const build = (wasm: WasmPackage) =>
    threadedWasm(wasm, threads).catch((error: Error) => {
      throw new Error(`its threads do not start (${error.message}).`);
    });
  return keepingExitStatus(wasmCandidate({ build }));
}

/** Takes back what Emscripten does to the process: with its listener, every uncaught error ends in exit status 7. */
function keepingExitStatus(candidate: Candidate): Candidate {
  return {
    ...candidate,
    start: async (options) => {
      try {
        return await candidate.start(options);
      } finally {
        for (const listener of process.listeners('uncaughtException'))
          if (String(listener).includes('ExitStatus')) process.removeListener('uncaughtException', listener);
      }
    },
  };
}

/** What both native packages export that matters here. */
type NativePackage = { Tensor: unknown; version: Record<string, string> };

type NativeBackend = tf.KernelBackend & { binding: { TF_Version: string }; isUsingGpuDevice: boolean };

function native(name: 'tfjs-node' | 'tfjs-node-gpu'): Candidate {
  return {
    name,
    start: async () => {
      // TensorFlow writes notes about the processor to standard error unless told otherwise before it is loaded.
      process.env.TF_CPP_MIN_LOG_LEVEL ??= '1';
      restoreRemovedUtil();
      const loaded = await loadNative(`@tensorflow/${name}`);
      if (loaded.Tensor !== tf.Tensor)
        throw new Error(
          `it uses another copy of TensorFlow.js (${loaded.version['tfjs-core']}) than this program ` +
            `(${tf.version['tfjs-core']}). Install both in the same version; \`npm ls @tensorflow/tfjs-core\` shows the copies.`,
        );
      await setBackend('tensorflow');
      const backend = tf.backend() as NativeBackend;
      if (name === 'tfjs-node-gpu' && !backend.isUsingGpuDevice) {
        tf.removeBackend('tensorflow'); // so that tfjs-node can register under this name
        throw new Error('it finds no GPU that it can use. Are the driver and CUDA installed?');
      }
      if (!backend.isUsingGpuDevice) registerKernels();
      return { versions: { [name]: loaded.version['tfjs-node']!, libtensorflow: backend.binding.TF_Version } };
    },
  };
}

async function loadNative(packageName: string): Promise<NativePackage> {
  try {
    // The name is in a variable so that no bundler takes the optional package for one of its own.
    const module = await import(/* @vite-ignore */ /* webpackIgnore: true */ packageName);
    return module.default ?? module;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${packageName}'`))
      throw new Error(`it is not installed (npm install ${packageName}@4.22.0).`);
    throw new Error(`it is installed but does not load: ${message.trim().split('\n')[0]}`);
  }
}

/** tfjs-node 4.22 calls functions of node:util that Node 23 removed (tensorflow/tfjs#8609). */
function restoreRemovedUtil(): void {
  const util = createRequire(import.meta.url)('node:util');
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  util.isArray ??= Array.isArray;
}
