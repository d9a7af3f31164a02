import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BackendDescription } from '../../src/backends/types';
import { expectClose } from '../helpers';
import { noBrowser, openPage, type Page } from './page';

if (noBrowser) console.warn(`Tests in a browser are skipped: ${noBrowser}.`);

describe.skipIf(noBrowser)('selectBackend in a browser', () => {
  let page: Page;
  let expected: number[][];
  beforeAll(async () => {
    page = await openPage('backends.page.ts');
    await page.call('select', { prefer: 'cpu' });
    expected = await page.call<number[][]>('gradients');
  });
  afterAll(() => page?.close());

  /** float32, of which webgl computes some functions less exactly. */
  const expectAsOnCpu = async (tolerance: number) => {
    const actual = await page.call<number[][]>('gradients');
    for (const [i, values] of actual.entries()) expectClose(values, expected[i]!, tolerance, tolerance);
  };

  test('says what to do where the .wasm files are not found', async () => {
    await expect(page.call('select', { prefer: 'wasm' })).rejects.toThrow(
      /were not found at(.|\n)*wasmPaths: '\/that\/folder\/'/,
    );
  });

  test('wasm computes the gradients of cpu', async () => {
    const taken = await page.call<BackendDescription>('select', { prefer: 'wasm', wasmPaths: '/wasm/' });
    expect(taken).toMatchObject({ name: 'wasm', threads: 1 });
    await expectAsOnCpu(1e-5);
  });

  test('without a preference it takes wasm where the GPU is missing or played by software', async () => {
    const taken = await page.call<BackendDescription>('select', { wasmPaths: '/wasm/' });
    expect(taken.name).toBe('wasm');
    expect(taken.tried).toEqual([
      { name: 'webgpu', why: expect.stringMatching(/no WebGPU|software|package is not here/) },
      { name: 'webgl', why: expect.stringMatching(/software|could not start|16 bits/) },
    ]);
  });

  test('webgl computes the gradients of cpu, where it starts', async ({ skip }) => {
    const reason = await page.call('select', { prefer: 'webgl' }).then(
      () => undefined,
      (error: Error) => error.message,
    );
    skip(reason !== undefined, `webgl does not start here: ${reason}`);
    await expectAsOnCpu(1e-4);
  });
});

describe.skipIf(noBrowser)('selectBackend in a browser with WebGPU', () => {
  test('webgpu computes the gradients of cpu, where it starts', async ({ skip }) => {
    const page = await openPage('backends.page.ts', { webgpu: true });
    try {
      await page.call('select', { prefer: 'cpu' });
      const expected = await page.call<number[][]>('gradients');
      const taken = await page
        .call<BackendDescription>('select', { prefer: 'webgpu' })
        .catch((error) => error as Error);
      skip(taken instanceof Error, `webgpu does not start here: ${(taken as Error).message}`);
      expect(taken.name).toBe('webgpu');
      const actual = await page.call<number[][]>('gradients');
      for (const [i, values] of actual.entries()) expectClose(values, expected[i]!, 1e-4, 1e-4);
    } finally {
      await page.close();
    }
  });
});

describe.skipIf(noBrowser)('selectBackend in a cross-origin isolated page', () => {
  test('wasm takes threads and computes right with them', async () => {
    const page = await openPage('backends.page.ts', { isolated: true });
    try {
      expect(await page.call('isolated')).toBe(true);
      await page.call('select', { prefer: 'cpu' });
      const expected = await page.call<number[][]>('gradients');
      const taken = await page.call<BackendDescription>('select', { prefer: 'wasm', wasmPaths: '/wasm/', threads: 2 });
      expect(taken.name).toBe('wasm');
      expect(taken.threads).toBeGreaterThan(0);
      const actual = await page.call<number[][]>('gradients');
      for (const [i, values] of actual.entries()) expectClose(values, expected[i]!, 1e-5, 1e-5);
    } finally {
      await page.close();
    }
  });
});
