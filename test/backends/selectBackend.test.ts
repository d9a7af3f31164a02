import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { chooseBackend, cpu } from '../../src/backends/chooseBackend';
import { proveBackend } from '../../src/backends/proveBackend';
import type { Candidate } from '../../src/backends/types';
import { UsageError } from '../../src/core/errors';
import { selectBackend } from '../../src/node/backends';
import { expectNoLeak } from '../helpers';

beforeEach(async () => {
  await tf.setBackend('cpu');
});
afterEach(() => void vi.restoreAllMocks());

const absent: Candidate = { name: 'tfjs-node', start: () => Promise.reject(new Error('it is not installed.')) };

describe('chooseBackend', () => {
  test('takes the first that works and says why not those before it', async () => {
    const taken = await expectNoLeak(() => chooseBackend([absent, cpu], {}));
    expect(taken).toMatchObject({
      name: 'cpu',
      threads: 1,
      tried: [{ name: 'tfjs-node', why: 'it is not installed.' }],
    });
    expect(taken.versions.tfjs).toBe(tf.version.tfjs);
    expect(tf.getBackend()).toBe('cpu');
  });

  test('does not take one that computes wrong numbers', async () => {
    tf.copyRegisteredKernels('cpu', 'wrong');
    const { kernelFunc, ...product } = tf.getKernel('BatchMatMul', 'wrong');
    tf.unregisterKernel('BatchMatMul', 'wrong');
    // Right on the way forward, but not where the gradient asks for a transposed product.
    const forgetful: tf.KernelFunc = (given) => {
      const right = tf.engine().makeTensorFromTensorInfo(kernelFunc(given) as tf.TensorInfo);
      if (given.attrs?.transposeA) right.dataSync().fill(1);
      return right;
    };
    tf.registerKernel({ ...product, kernelFunc: forgetful });
    tf.registerBackend('wrong', tf.findBackendFactory('cpu'));
    const start = async () => {
      await tf.setBackend('wrong');
      return { versions: {} };
    };
    const wrong: Candidate = { name: 'wasm', start };
    const taken = await expectNoLeak(() => chooseBackend([wrong, cpu], {}));
    expect(taken.tried).toEqual([{ name: 'wasm', why: expect.stringContaining('byWeights of a small product') }]);
    expect(tf.getBackend()).toBe('cpu');
  });

  test('fails with every reason if none of the preferred works, and leaves the backend as it was', async () => {
    await expect(chooseBackend([absent, cpu], { prefer: 'tfjs-node' })).rejects.toThrow(
      'tfjs-node: it is not installed.',
    );
    expect(tf.getBackend()).toBe('cpu');
  });

  test('refuses a name that it does not know', async () => {
    await expect(chooseBackend([absent, cpu], { prefer: ['webgl'] })).rejects.toThrow(UsageError);
    await expect(chooseBackend([absent, cpu], { prefer: 'webgl' })).rejects.toThrow('choose among tfjs-node, cpu');
  });
});

describe('selectBackend in Node', () => {
  test('starts wasm with threads, and without', async () => {
    const byPackage = tf.findBackendFactory('wasm');
    const taken = await expectNoLeak(() => selectBackend({ prefer: 'wasm', threads: 2 }));
    expect(taken).toMatchObject({ name: 'wasm', threads: 2, tried: [] });
    expect(tf.getBackend()).toBe('wasm');
    expect((globalThis as { Worker?: unknown }).Worker).toBeUndefined();
    // Repaired, or the gradient of a lookup would throw.
    await proveBackend();

    tf.removeBackend('wasm');
    tf.registerBackend('wasm', byPackage);
    const single = await selectBackend({ prefer: 'wasm', threads: 1 });
    expect(single).toMatchObject({ name: 'wasm', threads: 1, tried: [] });
  });

  test('keeps a wasm backend that is running, with its tensors', async () => {
    await selectBackend({ prefer: 'wasm' });
    const tensor = tf.tensor1d([1, 2, 3]);
    await selectBackend({ prefer: 'cpu' });
    await selectBackend({ prefer: 'wasm' });
    expect([...tensor.dataSync()]).toEqual([1, 2, 3]);
    tensor.dispose();
  });

  test('leaves uncaught errors to Node', async () => {
    await selectBackend({ prefer: 'wasm' });
    expect(process.listeners('uncaughtException').map(String).join()).not.toContain('ExitStatus');
  });

  test.each([0, -1, 1.5])('refuses %d threads', async (threads) => {
    await expect(selectBackend({ threads })).rejects.toThrow(UsageError);
  });
});

describe('warnIfPlainCpu', () => {
  // Every test has the module anew, since it remembers what was asked for.
  const fresh = async () => {
    vi.resetModules();
    return import('../../src/backends/warnIfPlainCpu');
  };

  test('warns once where nobody asked for cpu', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const { warnIfPlainCpu } = await fresh();
    warnIfPlainCpu();
    warnIfPlainCpu();
    expect(warn.mock.calls).toEqual([[expect.stringContaining('selectBackend()')]]);
  });

  test('does not warn where cpu was asked for', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const { warnIfPlainCpu, askedForCpu } = await fresh();
    askedForCpu();
    warnIfPlainCpu();
    expect(warn).not.toHaveBeenCalled();
  });
});
