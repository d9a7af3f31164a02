/** The .wasm files by name, where a bundler puts them that follows `new URL(..., import.meta.url)` (webpack 5, Vite). */
const emitted = (): Record<string, string> => ({
  'tfjs-backend-wasm.wasm': new URL('@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm', import.meta.url).href,
  'tfjs-backend-wasm-simd.wasm': new URL(
    '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm',
    import.meta.url,
  ).href,
  'tfjs-backend-wasm-threaded-simd.wasm': new URL(
    '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm',
    import.meta.url,
  ).href,
});

function inFolder(folder: string): Record<string, string> {
  const base = typeof document === 'undefined' ? location.href : document.baseURI;
  return Object.fromEntries(Object.keys(emitted()).map((name) => [name, new URL(folder + name, base).href]));
}

/** Whether WebAssembly is there; servers of single-page applications answer with a page where there is no file. */
async function isWasm(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { credentials: 'same-origin' });
    if (!response.ok) return false;
    const [zero, a, s, m] = new Uint8Array(await response.arrayBuffer());
    return zero === 0 && String.fromCharCode(a!, s!, m!) === 'asm';
  } catch {
    return false;
  }
}

/**
 * Finds the .wasm files: where the bundler put them, else next to the page, else in the node_modules of a development
 * server. They are looked for beforehand, because tfjs does not try a second time.
 *
 * @throws Error with the places where they were looked for and what to do
 */
export async function locateWasmFiles(): Promise<Record<string, string>> {
  const places = [emitted(), inFolder('./'), inFolder('/node_modules/@tensorflow/tfjs-backend-wasm/dist/')];
  for (const urls of places) if (await isWasm(urls['tfjs-backend-wasm-simd.wasm']!)) return urls;
  throw new Error(
    `its files were not found at\n    ${places.map((urls) => urls['tfjs-backend-wasm-simd.wasm']).join('\n    ')}\n` +
      '  Copy node_modules/@tensorflow/tfjs-backend-wasm/dist/*.wasm to where the page can load them, and say where with ' +
      "`selectBackend({ wasmPaths: '/that/folder/' })`.",
  );
}
