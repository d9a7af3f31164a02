import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { DataError, expectWhole, UsageError } from '../core/errors';
import { batched, type Source } from '../data/streams';
import { readJSON, writeJSON } from '../io/checkpoint';
import { sizeOf } from '../io/tensorSource';
import type { Entry, SearchResult, VectorItem } from '../retrieval/types';
import { unitLength } from '../retrieval/vectors';
import { directory } from './directory';

/** What is needed of the package `usearch`. */
type NativeIndex = {
  add(keys: BigUint64Array, vectors: Float32Array, threads?: number): void;
  search(vector: Float32Array, count: number, threads?: number): { keys: BigUint64Array; distances: Float32Array };
  remove(keys: bigint[]): unknown;
  save(path: string): void;
  load(path: string): void;
  dimensions(): number;
};
type USearch = { Index: new (config: Record<string, unknown>) => NativeIndex };

export type ApproximateIndexOptions = {
  /** Numbers in a vector. */
  size: number;
  /** How the numbers are kept; by default `bfloat16`. */
  type?: 'float32' | 'bfloat16' | 'int8';
  /** Neighbours that each vector is linked to; by default 16. More find better and take more memory. */
  connectivity?: number;
  /** Vectors that are looked at while one is added, and while one is searched for; by default 128 and 64. */
  expansion?: { add?: number; search?: number };
};

const PACKAGE = 'usearch';
const MANIFEST = 'approximate.json';
const TYPES = { float32: 'f32', bfloat16: 'bf16', int8: 'i8' } as const;

const optionsSchema = v.object({
  size: v.pipe(v.number(), v.integer(), v.minValue(1)),
  type: v.picklist(['float32', 'bfloat16', 'int8']),
  connectivity: v.pipe(v.number(), v.integer(), v.minValue(2)),
  expansion: v.object({ add: v.number(), search: v.number() }),
});
const manifestSchema = v.object({
  format: v.literal('tfjs-captioning approximate index'),
  formatVersion: v.literal(1),
  options: optionsSchema,
  file: v.pipe(v.string(), v.regex(/^vectors-[\w-]+\.usearch$/)),
  bytes: v.number(),
  next: v.pipe(v.number(), v.integer(), v.minValue(0)),
  entries: v.array(
    v.tuple([v.number(), v.object({ id: v.string(), metadata: v.exactOptional(v.record(v.string(), v.unknown())) })]),
  ),
});

/**
 * An index for more vectors than exact search is quick for: a graph of neighbours by USearch, which answers millions of vectors in
 * about a millisecond and misses a few of the nearest. How many it misses depends on the vectors: measure it on yours.
 *
 * @see https://github.com/unum-cloud/USearch; Malkov & Yashunin 2018, https://arxiv.org/abs/1603.09320
 */
export class ApproximateIndex {
  private readonly entries = new Map<number, Entry>();
  private readonly keyOf = new Map<string, number>();
  private next = 0;

  private constructor(
    private readonly native: NativeIndex,
    readonly options: v.InferOutput<typeof optionsSchema>,
  ) {}

  /** @throws UsageError where the package is not installed, with how to install it */
  static async create(options: ApproximateIndexOptions): Promise<ApproximateIndex> {
    const { size, type = 'bfloat16', connectivity = 16, expansion = {} } = options;
    const { add = 128, search = 64 } = expansion;
    for (const [name, value] of Object.entries({ size, 'expansion.add': add, 'expansion.search': search }))
      expectWhole(name, value, 1);
    expectWhole('connectivity', connectivity, 2);
    if (!Object.hasOwn(TYPES, type))
      throw new UsageError(`type is '${type}' but should be ${Object.keys(TYPES).join(', ')}.`);
    const { Index } = await usearch();
    const native = new Index({
      metric: 'ip',
      dimensions: size,
      quantization: TYPES[type],
      connectivity,
      expansion_add: add,
      expansion_search: search,
      multi: false,
    });
    return new ApproximateIndex(native, { size, type, connectivity, expansion: { add, search } });
  }

  /**
   * Reads what `save` wrote.
   *
   * @throws DataError where it is missing or damaged; UsageError where the package is not installed
   */
  static async load(folder: string): Promise<ApproximateIndex> {
    const store = directory(folder);
    const { options, file, bytes, next, entries } = await readJSON(store, MANIFEST, manifestSchema);
    const there = await sizeOf(store, file);
    if (there !== bytes)
      throw new DataError(`${file} in ${folder} has ${there} bytes, but ${MANIFEST} says ${bytes}. Was it cut short?`);
    const index = await ApproximateIndex.create(options);
    try {
      index.native.load(join(folder, file));
    } catch (cause) {
      throw new DataError(`${file} in ${folder} cannot be read: ${(cause as Error).message}. Build the index again.`, {
        cause,
      });
    }
    for (const [key, entry] of entries) index.enter(key, entry);
    index.next = next;
    return index;
  }

  /** Number of items. */
  get count(): number {
    return this.entries.size;
  }

  has(id: string): boolean {
    return this.keyOf.has(id);
  }

  /**
   * Adds vectors, some hundreds at a time on all processors: a batch whole or, where something is wrong with it, not at all.
   *
   * @throws UsageError for a name that is there already or a vector of another size; DataError for one without a direction
   */
  async add(source: Source<VectorItem>, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    const { size } = this.options;
    for await (const batch of batched(source, 1024)) {
      signal?.throwIfAborted();
      const names = new Set<string>();
      const values = new Float32Array(batch.length * size);
      for (const [i, { id, vector }] of batch.entries()) {
        if (this.has(id) || names.has(id)) throw new UsageError(`'${id}' is in the index already. Remove it first.`);
        names.add(id);
        values.set(this.unit(vector, `The vector of '${id}'`), i * size);
      }
      this.native.add(
        BigUint64Array.from(batch, (_, i) => BigInt(this.next + i)),
        values,
      );
      for (const { id, metadata } of batch) this.enter(this.next++, { id, ...(metadata && { metadata }) });
    }
  }

  /** @throws UsageError where one is not there */
  remove(ids: readonly string[]): void {
    const keys = ids.map((id) => {
      const key = this.keyOf.get(id);
      if (key === undefined) throw new UsageError(`'${id}' is not in the index.`);
      return key;
    });
    this.native.remove(keys.map(BigInt));
    for (const [i, key] of keys.entries()) {
      this.entries.delete(key);
      this.keyOf.delete(ids[i]!);
    }
  }

  /** About the `top` items (10 by default) with the largest cosines, best first. */
  search(vector: Float32Array | readonly number[], { top = 10 }: { top?: number } = {}): SearchResult[] {
    expectWhole('top', top, 1);
    if (this.count === 0) return [];
    const { keys, distances } = this.native.search(this.unit(vector, 'What is asked for'), Math.min(top, this.count));
    return Array.from(keys, (key, i) => ({ ...this.entries.get(Number(key))!, score: 1 - distances[i]! }));
  }

  /** Writes the index into a folder; whoever reads finds the old one or the new one, whole. */
  async save(folder: string): Promise<void> {
    const store = directory(folder);
    const file = `vectors-${randomUUID()}.usearch`;
    await mkdir(folder, { recursive: true });
    this.native.save(join(folder, file));
    await writeJSON(store, MANIFEST, {
      format: 'tfjs-captioning approximate index',
      formatVersion: 1,
      options: this.options,
      file,
      bytes: await sizeOf(store, file),
      next: this.next,
      entries: [...this.entries],
    } satisfies v.InferOutput<typeof manifestSchema>);
    for (const name of await store.list('vectors-')) if (name !== file) await store.remove(name);
  }

  private enter(key: number, entry: Entry): void {
    this.entries.set(key, entry);
    this.keyOf.set(entry.id, key);
  }

  private unit(vector: ArrayLike<number>, what: string): Float32Array {
    const { size } = this.options;
    if (vector.length !== size)
      throw new UsageError(`${what} has ${vector.length} numbers, but those in the index have ${size}.`);
    return Float32Array.from(unitLength(vector, what));
  }
}

async function usearch(): Promise<USearch> {
  try {
    return (await import(PACKAGE)) as USearch;
  } catch (cause) {
    throw new UsageError(`An approximate index needs the package ${PACKAGE}: npm install ${PACKAGE}`, { cause });
  }
}
