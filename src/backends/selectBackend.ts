import { chooseBackend, cpu } from './chooseBackend';
import type { BackendDescription, SelectBackendOptions } from './types';
import { wasmCandidate } from './wasm/candidate';
import { locateWasmFiles } from './wasm/files';
import { webgl } from './webgl';
import { webgpu } from './webgpu';

/**
 * Makes the fastest backend that works in this browser the current one of tfjs: webgpu, webgl, wasm or cpu. Each is proven
 * on a small product and its gradient before it is taken.
 *
 * webgpu is tried where the program imports '@tensorflow/tfjs-backend-webgpu', an optional peer.
 *
 * wasm needs its .wasm files. Without `wasmPaths` they are looked for where webpack and Vite put them, next to the page,
 * and in the node_modules of a development server. It uses threads where the page is cross-origin isolated.
 *
 * @returns which one was taken, and why those before it were not
 * @throws Error with the reasons if none of those in `prefer` works
 */
export function selectBackend(options: SelectBackendOptions = {}): Promise<BackendDescription> {
  return chooseBackend([webgpu, webgl, wasmCandidate({ locate: locateWasmFiles }), cpu], options);
}
