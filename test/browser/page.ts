import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const html = `<!doctype html><title>test</title>
<script type="module">import * as entry from '/entry.js'; globalThis.entry = entry;</script>`;

const root = fileURLToPath(new URL('../..', import.meta.url));
const wasmFolder = join(root, 'node_modules/@tensorflow/tfjs-backend-wasm/dist');

/** Debian's, or the one that CHROMIUM_PATH names. */
const executablePath = process.env.CHROMIUM_PATH ?? '/usr/bin/chromium';

/** Why tests in a browser cannot run here; undefined where they can. */
export const noBrowser = existsSync(executablePath)
  ? undefined
  : `no browser at ${executablePath} (apt-get install chromium, or set CHROMIUM_PATH)`;

export type PageOptions = {
  /** Headers that let the page use threads. */
  isolated?: boolean;
  /** Offer WebGPU, computed in software. */
  webgpu?: boolean;
  /** More files by path, such as `{ '/photo.jpg': bytes }`. */
  files?: Record<string, Uint8Array>;
};

export type Page = {
  /** Calls a function that the bundle exports; what goes in and comes out is what JSON can hold. */
  call<Result>(name: string, ...given: unknown[]): Promise<Result>;
  /** What the page has written to its console, and uncaught errors. */
  console: string[];
  close(): Promise<void>;
};

type Entry = Record<string, (...given: unknown[]) => unknown>;

/**
 * Bundles a module as an application would and opens it in a browser without a window. The .wasm files lie in /wasm/.
 *
 * @param entry - path of the module from this folder; its exports can be called
 */
export async function openPage(
  entry: string,
  { isolated = false, webgpu = false, files = {} }: PageOptions = {},
): Promise<Page> {
  const bundle = await build({
    entryPoints: [join(dirname(fileURLToPath(import.meta.url)), entry)],
    outdir: '/',
    bundle: true,
    write: false,
    format: 'esm',
    splitting: true,
    platform: 'browser',
    target: 'es2022',
    entryNames: 'entry',
    logLevel: 'error',
  });
  const scripts = new Map(bundle.outputFiles.map(({ path, contents }) => [path, contents]));
  const isolation = {
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
  };

  const server = createServer(async ({ url = '/' }, response) => {
    const find = async (): Promise<[type: string, bytes: Uint8Array | string] | undefined> => {
      if (url === '/') return ['text/html', html];
      const script = scripts.get(url);
      if (script) return ['text/javascript', script];
      const wasm = /^\/wasm\/([\w-]+\.wasm)$/.exec(url)?.[1];
      if (wasm) return ['application/wasm', await readFile(join(wasmFolder, wasm))];
      return files[url] && ['application/octet-stream', files[url]];
    };
    const found = await find();
    response.writeHead(found ? 200 : 404, { ...(found && { 'Content-Type': found[0] }), ...(isolated && isolation) });
    response.end(found?.[1]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  const args = [
    '--no-sandbox',
    ...(webgpu ? ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'] : ['--disable-gpu']),
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--enable-unsafe-swiftshader',
  ];
  const browser = await chromium.launch({ executablePath, args });
  const page = await browser.newPage();
  const written: string[] = [];
  page.on('console', (message) => written.push(message.text()));
  page.on('pageerror', (error) => written.push(String(error)));
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  return {
    call: (name, ...given) =>
      page.evaluate(([wanted, given]) => (globalThis as unknown as { entry: Entry }).entry[wanted]!(...given), [
        name,
        given,
      ] as [string, unknown[]]) as Promise<never>,
    console: written,
    close: async () => {
      await browser.close();
      server.close();
    },
  };
}
