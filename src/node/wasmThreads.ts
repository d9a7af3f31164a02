import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { WasmPackage } from '../backends/wasm/candidate';

type ThreadedModule = ConstructorParameters<WasmPackage['BackendWasm']>[0] & {
  cwrap(name: string, returns: string | null, takes: string[]): (...args: number[]) => number;
  PThread: { runningWorkers: { unref(): void }[] };
};

/** Emscripten starts this many workers at once, and no more afterwards. */
const MOST_THREADS = 8;

/**
 * The wasm backend with threads. The package does not use them in Node, because Node's workers do not start from a
 * blob: URL; so its module is put together here by the package's own parts, with workers that start from a data: URL.
 *
 * @param threads - at least 2; more than 8 are not used
 */
export async function threadedWasm(wasm: WasmPackage, threads: number): Promise<BackendWasm> {
  const require = createRequire(import.meta.url);
  const root = dirname(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')));
  const script = join(root, 'wasm-out', 'tfjs-backend-wasm-threaded-simd.js');
  const { wasmWorkerContents } = require(join(root, 'wasm-out', 'tfjs-backend-wasm-threaded-simd.worker.js'));
  const count = Math.min(threads, MOST_THREADS);

  const globals = globalThis as { Worker?: unknown };
  const worker = globals.Worker;
  const os = require('node:os');
  const cpus = os.cpus;
  // While it is being started, the module takes at most half of the processors that it sees.
  os.cpus = () => Array.from({ length: 2 * count }, () => cpus()[0]);
  let module: ThreadedModule;
  try {
    module = await require(script)({
      mainScriptUrlOrBlob: script,
      wasmBinary: await readFile(join(root, 'dist', 'tfjs-backend-wasm-threaded-simd.wasm')),
      locateFile: () => workerURL(wasmWorkerContents, script),
    });
  } finally {
    os.cpus = cpus;
    globals.Worker = worker; // Emscripten leaves Node's own class there, and others take it for a browser's
  }
  const call = (name: string, returns: string | null, count: number) =>
    module.cwrap(name, returns, Array<string>(count).fill('number'));
  module.tfjs = {
    init: call('init', null, 0),
    initWithThreadsCount: call('init_with_threads_count', null, 1),
    getThreadsCount: call('get_threads_count', 'number', 0),
    registerTensor: call('register_tensor', null, 3),
    disposeData: call('dispose_data', null, 1),
    dispose: call('dispose', null, 0),
  } as unknown as ThreadedModule['tfjs'];
  wasm.setThreadsCount(count);
  const backend = new wasm.BackendWasm(module);
  // Waiting threads must not keep the process alive.
  for (const thread of module.PThread.runningWorkers) thread.unref();
  return backend;
}

/** A module that runs Emscripten's worker script, which expects to be a CommonJS file next to the main script. */
function workerURL(contents: string, script: string): URL {
  // The package writes line ends into this text unescaped, inside of a string.
  const body = JSON.stringify(contents.replace(/\n/g, '\\n').replace(/^"use strict";/, ''));
  const file = JSON.stringify(script);
  const source = `import { createRequire } from 'node:module';
Function('require', '__filename', ${body})(createRequire(${file}), ${file});`;
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
}
