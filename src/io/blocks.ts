import type { Range } from './names';
import type { Store } from './types';

/** Where blocks are kept, by number. */
export type BlockCache = {
  read(name: string, block: number): Promise<Uint8Array | undefined>;
  write(name: string, block: number, bytes: Uint8Array): Promise<void>;
};

export type BlockOptions = {
  /** Bytes; by default 8 MiB. */
  blockSize?: number;
  /** Blocks that stay in memory, those used last; by default 4. */
  held?: number;
  cache?: BlockCache;
  onProgress?: ((progress: { file: string; loaded: number; total: number }) => void) | undefined;
};

/**
 * A store whose files are fetched in blocks, so that many small tensors that lie side by side are one request and a large file
 * is never in memory as a whole. A block that is asked for again comes from memory or from the cache.
 */
export function inBlocks(
  store: Pick<Store, 'location' | 'read' | 'size' | 'list' | 'write' | 'remove'>,
  { blockSize = 8 * 2 ** 20, held = 4, cache, onProgress }: BlockOptions = {},
): Store {
  const memory = new Map<string, Promise<Uint8Array>>();
  const sizes = new Map<string, Promise<number | undefined>>();
  const fetched = new Map<string, Set<number>>();
  const sizeOf = (name: string) => {
    const size = sizes.get(name) ?? store.size(name);
    sizes.set(name, size);
    size.catch(() => sizes.delete(name));
    return size;
  };

  const fetchBlock = async (name: string, block: number, size: number): Promise<Uint8Array> => {
    const start = block * blockSize;
    const end = Math.min(start + blockSize, size);
    const kept = await cache?.read(name, block);
    const whole = kept?.length === end - start;
    const bytes = whole ? kept : await store.read(name, { start, end });
    if (!whole) await cache?.write(name, block, bytes);
    const done = fetched.get(name) ?? new Set();
    fetched.set(name, done.add(block));
    const last = Math.ceil(size / blockSize) - 1;
    const loaded = done.has(last) ? (done.size - 1) * blockSize + (size - last * blockSize) : done.size * blockSize;
    onProgress?.({ file: name, loaded, total: size });
    return bytes;
  };

  const blockOf = (name: string, block: number, size: number): Promise<Uint8Array> => {
    const key = `${name}\n${block}`;
    const found = memory.get(key) ?? fetchBlock(name, block, size);
    memory.delete(key);
    memory.set(key, found); // last in order: used last
    found.catch(() => memory.delete(key));
    for (const oldest of memory.keys()) {
      if (memory.size <= held) break;
      memory.delete(oldest);
    }
    return found;
  };

  const read = async (name: string, range?: Range): Promise<Uint8Array> => {
    const size = await sizeOf(name);
    const { start, end } = range ?? { start: 0, end: size ?? 0 };
    // The store says what is wrong with a name or a range.
    if (size === undefined || !(0 <= start && start <= end && end <= size)) return store.read(name, range);
    const bytes = new Uint8Array(end - start);
    for (let block = Math.floor(start / blockSize); block * blockSize < end; block++) {
      const from = block * blockSize;
      const part = (await blockOf(name, block, size)).subarray(Math.max(0, start - from), end - from);
      bytes.set(part, Math.max(0, from - start));
    }
    return bytes;
  };
  return { ...store, read, size: sizeOf };
}
