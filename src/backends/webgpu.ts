import * as tf from '@tensorflow/tfjs';
import { setBackend } from './chooseBackend';
import type { Candidate } from './types';

const PACKAGE = '@tensorflow/tfjs-backend-webgpu';

type Adapter = { info?: { vendor?: string; architecture?: string; description?: string }; isFallbackAdapter?: boolean };
type WithGpu = { gpu?: { requestAdapter(): Promise<Adapter | null> } };

/** The GPU of a browser by its newer interface, where a page has brought the optional package, and the GPU is a real one. */
export const webgpu: Candidate = {
  name: 'webgpu',
  start: async ({ prefer }) => {
    const adapter = await (globalThis.navigator as WithGpu | undefined)?.gpu?.requestAdapter();
    if (!adapter) throw new Error('this browser offers no WebGPU.');
    const { vendor = '', architecture = '', description = '' } = adapter.info ?? {};
    const renderer = [vendor, architecture, description].filter((part) => part !== '').join(' ');
    if (prefer === undefined && (adapter.isFallbackAdapter || /swiftshader|llvmpipe|software/i.test(renderer)))
      throw new Error(`it is computed in software here (${renderer}), slower than wasm.`);
    await bringPackage();
    await setBackend('webgpu');
    return { versions: { renderer } };
  },
};

/** A bundler takes the package along only where the application imports it; an import map may name it too. */
async function bringPackage(name: string = PACKAGE): Promise<void> {
  if ('webgpu' in tf.engine().registryFactory) return;
  try {
    await import(/* @vite-ignore */ /* webpackIgnore: true */ name);
  } catch {
    throw new Error(
      `its package is not here (npm install ${PACKAGE}@4.22.0, then import '${PACKAGE}' in your program).`,
    );
  }
}
