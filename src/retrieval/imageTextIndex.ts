import { expectWhole, UsageError } from '../core/errors';
import { batched, type Source } from '../data/streams';
import type { Image } from '../data/types';
import type { Store } from '../io/types';
import { SEGMENT_ROWS } from './exact/memory';
import { searchExactly } from './exact/search';
import { VectorTable, type VectorType } from './exact/vectorTable';
import { loadIndex, type SavedPart, saveIndex } from './indexFiles';
import { type DuplicateOptions, type DuplicatePair, duplicateRows } from './nearDuplicates';
import type { Entry, ImageItem, ImageTextEmbedder, Metadata, SearchResult, VectorItem } from './types';
import { lengthOf, rowsOf, unitLength } from './vectors';

export type IndexOptions = {
  /** Makes vectors of pictures and texts; stays the caller's. Without it, vectors are all that can be added and asked for. */
  embedder?: ImageTextEmbedder;
  /** `int8` keeps a quarter of the numbers' bytes and finds almost the same; by default `float32`. */
  type?: VectorType;
  /** About the index as a whole, such as the model's name: anything that JSON can hold. It is saved along. */
  metadata?: Metadata;
};

export type AddOptions = {
  /** Pictures that are embedded at a time; by default 16. */
  batchSize?: number;
  signal?: AbortSignal;
  /** Called with the number of items that have been added. */
  onProgress?: (added: number) => void;
};

/** What is looked for: a text, a picture, a vector, or what is like an item of the index. */
export type IndexQuery =
  | { text: string }
  | { image: Image }
  | { vector: Float32Array | readonly number[] }
  | { id: string };

/** An item as the index has it; the vector has length 1. */
export type IndexItem = Entry & { vector: Float32Array };

/**
 * Pictures that are found by words, by pictures or by vectors: names, with the vector of each. Search is exact, by one thread
 * with SIMD; a million vectors of 512 numbers take some tens of milliseconds and, as float32, 2.6 GB of memory.
 */
export class ImageTextIndex {
  readonly embedder: ImageTextEmbedder | undefined;
  readonly type: VectorType;
  readonly metadata: Metadata;
  private table: VectorTable | undefined;
  private readonly entries: Entry[] = [];
  private readonly rowOf = new Map<string, number>();
  /** Of each segment of the table the file that holds it as it is; undefined where it has changed since. */
  private parts: (SavedPart | undefined)[] = [];
  private saving = false;
  /** Counts them. */
  private changes = 0;

  constructor({ embedder, type = 'float32', metadata = {} }: IndexOptions = {}) {
    this.embedder = embedder;
    this.type = type;
    this.metadata = metadata;
  }

  /** An index of all that comes out of `source`. */
  static async build(
    source: Source<VectorItem | ImageItem>,
    options: IndexOptions & AddOptions = {},
  ): Promise<ImageTextIndex> {
    const index = new ImageTextIndex(options);
    await index.add(source, options);
    return index;
  }

  /**
   * Reads what `save` wrote.
   *
   * @throws DataError where a file is missing or damaged
   */
  static async load(store: Store, { embedder }: Pick<IndexOptions, 'embedder'> = {}): Promise<ImageTextIndex> {
    const { type, metadata, entries, table, parts } = await loadIndex(store);
    const index = new ImageTextIndex({ type, metadata, ...(embedder && { embedder }) });
    index.table = table;
    for (const entry of entries) index.enter(entry);
    index.parts = [...parts];
    return index;
  }

  /** Number of items. */
  get count(): number {
    return this.entries.length;
  }

  /** Numbers in a vector; undefined until there is one. */
  get size(): number | undefined {
    return this.table?.size;
  }

  /** The names of all items in the order in which they were added. */
  get ids(): string[] {
    return this.entries.map(({ id }) => id);
  }

  has(id: string): boolean {
    return this.rowOf.has(id);
  }

  /** An item by its name; undefined where there is none. */
  get(id: string): IndexItem | undefined {
    const row = this.rowOf.get(id);
    return row === undefined ? undefined : { ...this.entries[row]!, vector: this.table!.vector(row) };
  }

  /**
   * Adds items, batch by batch: a batch is added whole or, where something is wrong with it, not at all.
   *
   * @throws UsageError for a name that is there already or a vector of another size; DataError for one without a direction
   */
  async add(
    source: Source<VectorItem | ImageItem>,
    { batchSize = 16, signal, onProgress }: AddOptions = {},
  ): Promise<void> {
    let added = 0;
    for await (const batch of batched(source, batchSize)) {
      signal?.throwIfAborted();
      this.append(await this.vectorsOf(batch));
      added += batch.length;
      onProgress?.(added);
    }
  }

  /**
   * Takes items out. The others keep their order; those after the first that goes move up, so many are taken out best at once.
   *
   * @throws UsageError where one is not there
   */
  remove(ids: readonly string[]): void {
    this.expectStill();
    const rows = new Set(ids.map((id) => this.rowNamed(id)));
    if (rows.size === 0) return;
    const first = [...rows].reduce((least, row) => Math.min(least, row), this.count);
    this.table!.remove(rows);
    const kept = this.entries.filter((_, row) => !rows.has(row));
    this.entries.length = 0;
    this.rowOf.clear();
    for (const entry of kept) this.enter(entry);
    this.touch(first);
  }

  /** Replaces what is kept with an item. */
  annotate(id: string, metadata: Metadata): void {
    this.expectStill();
    const row = this.rowNamed(id);
    this.entries[row] = { id, metadata };
    this.parts[Math.floor(row / SEGMENT_ROWS)] = undefined;
  }

  /** The `top` items (10 by default) that are most like what is asked for, best first; of equals the one added first. */
  async search(query: IndexQuery, { top = 10 }: { top?: number } = {}): Promise<SearchResult[]> {
    expectWhole('top', top, 1);
    const vector = await this.queryVector(query);
    const { table } = this;
    if (!table) return [];
    if (vector.length !== table.size)
      throw new UsageError(
        `What is asked for has ${vector.length} numbers, but those in the index have ${table.size}. Was it made by another model?`,
      );
    return searchExactly(table, vector, top).map(({ row, score }) => ({ ...this.entries[row]!, score }));
  }

  /** Pairs of items whose cosine is at least `threshold` (0.95 by default); exact. */
  async *nearDuplicates(options: DuplicateOptions = {}): AsyncGenerator<DuplicatePair> {
    if (!this.table) return;
    const { changes } = this;
    const name = (row: number) => this.entries[row]!.id;
    for await (const { first, second, score } of duplicateRows(this.table, options)) {
      if (changes !== this.changes)
        throw new UsageError('The index was changed while it was searched for near-duplicates. Search it again.');
      yield { first: name(first), second: name(second), score };
    }
  }

  /**
   * Writes the index. Files that are there and have not changed are left; `index.json` names the new ones last, so that whoever
   * reads finds the old index or the new one, whole.
   */
  async save(store: Store): Promise<void> {
    this.expectStill();
    this.saving = true;
    try {
      const { type, metadata, entries, table, parts } = this;
      this.parts = await saveIndex(store, { type, metadata, entries, table, parts });
    } finally {
      this.saving = false;
    }
  }

  private async vectorsOf(items: readonly (VectorItem | ImageItem)[]): Promise<VectorItem[]> {
    const pictures = items.filter((item) => 'image' in item);
    const embedded =
      pictures.length > 0 ? await rowsOf(this.needed().embedImages(pictures.map(({ image }) => image))) : [];
    let next = 0;
    return items.map((item) =>
      'image' in item
        ? { id: item.id, vector: embedded[next++]!, ...(item.metadata && { metadata: item.metadata }) }
        : item,
    );
  }

  private append(items: readonly VectorItem[]): void {
    this.expectStill();
    const size = this.table?.size ?? items[0]!.vector.length;
    const names = new Set<string>();
    const lengths = items.map(({ id, vector }) => {
      if (this.rowOf.has(id) || names.has(id))
        throw new UsageError(`'${id}' is in the index already. Names are unique: remove it first, or use another one.`);
      names.add(id);
      if (vector.length !== size)
        throw new UsageError(
          `The vector of '${id}' has ${vector.length} numbers, but the others have ${size}. Was it made by another model?`,
        );
      return lengthOf(vector, () => `The vector of '${id}'`);
    });
    this.table ??= new VectorTable(size, this.type);
    this.touch(this.count);
    for (const [i, { id, vector, metadata }] of items.entries()) {
      this.table.append(vector, lengths[i]);
      this.enter({ id, ...(metadata && { metadata }) });
    }
  }

  private enter(entry: Entry): void {
    this.rowOf.set(entry.id, this.entries.push(entry) - 1);
  }

  /** Rows from `row` on are no longer what was saved. */
  private touch(row: number): void {
    this.changes++;
    this.parts.length = Math.min(this.parts.length, Math.floor(row / SEGMENT_ROWS));
  }

  private async queryVector(query: IndexQuery): Promise<Float64Array> {
    if ('id' in query) return unitLength(this.table!.vector(this.rowNamed(query.id)), `'${query.id}'`);
    if ('vector' in query) return unitLength(query.vector, 'The vector that is asked for');
    const embedder = this.needed();
    const [vector] = await rowsOf(
      'text' in query ? embedder.embedTexts([query.text]) : embedder.embedImages([query.image]),
    );
    return unitLength(vector!, 'What is asked for');
  }

  private rowNamed(id: string): number {
    const row = this.rowOf.get(id);
    if (row === undefined) throw new UsageError(`'${id}' is not in the index.`);
    return row;
  }

  private needed(): ImageTextEmbedder {
    if (this.embedder) return this.embedder;
    throw new UsageError(
      'Pictures and texts need a model that makes vectors of them: give the index an embedder, or use vectors of your own.',
    );
  }

  private expectStill(): void {
    if (this.saving)
      throw new UsageError('The index is being saved. Wait for save() before it is changed or saved again.');
  }
}
