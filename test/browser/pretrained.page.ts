import { PretrainedTokenizer } from '../../src/data/pretrainedTokenizer';
import { openPretrained } from '../../src/io/pretrained';
import { opfsStore } from '../../src/io/stores';
import { openWeights } from '../../src/io/weights';

/** The sum of every tensor of a file of weights on the page's server. */
export async function sumsOf(folder: string, file: string): Promise<Record<string, number>> {
  const store = await openPretrained(new URL(folder, location.href));
  const source = await openWeights(store, { file });
  const sums: Record<string, number> = {};
  for (const name of source.tensors.keys())
    sums[name] = (await source.read(name)).reduce((sum, value) => sum + value, 0);
  return sums;
}

export async function tokensOf(folder: string, text: string): Promise<number[]> {
  const store = await openPretrained(new URL(folder, location.href));
  return (await PretrainedTokenizer.load(store)).encodeText(text).ids;
}

/** Reads a model of a hub twice, the second time from the browser's own files alone. */
export async function fromHub(id: string, hubURL: string, file: string): Promise<[number, number]> {
  const cache = opfsStore('hub');
  const first = await (await openPretrained(id, { hubURL, cache })).read(file);
  const second = await (await openPretrained(id, { hubURL: 'http://127.0.0.1:9', cache, offline: true })).read(file);
  const sum = (bytes: Uint8Array) => bytes.reduce((total, byte) => total + byte, 0);
  return [sum(first), sum(second)];
}
