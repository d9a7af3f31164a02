import * as v from 'valibot';
import { DataError } from '../core/errors';
import { readJSON, writeJSON } from '../io/checkpoint';
import { float32Values, readSafetensors, storeFloat32, storeInt8, writeSafetensors } from '../io/safetensors';
import { named, sizeOf } from '../io/tensorSource';
import type { Store } from '../io/types';
import { MOST_NUMBERS, SEGMENT_ROWS } from './exact/memory';
import { VectorTable, type VectorType } from './exact/vectorTable';
import type { Entry, Metadata } from './types';

/** A file with the vectors and names of a segment. */
export type SavedPart = { file: string; count: number; bytes: number };

export type IndexContent = {
  type: VectorType;
  metadata: Metadata;
  entries: readonly Entry[];
  /** Undefined while there is nothing. */
  table: VectorTable | undefined;
  /** Of each segment, as far as it lies in a file. */
  parts: readonly (SavedPart | undefined)[];
};

const MANIFEST = 'index.json';
const FOLDER = 'parts/';

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const metadataSchema = v.record(v.string(), v.unknown());
const manifestSchema = v.object({
  format: v.literal('tfjs-captioning image-text index'),
  formatVersion: v.literal(1),
  type: v.picklist(['float32', 'int8']),
  /** Numbers in a vector; null where there is no vector. */
  size: v.nullable(v.pipe(count, v.minValue(1), v.maxValue(MOST_NUMBERS))),
  count,
  metadata: metadataSchema,
  parts: v.array(
    v.object({
      file: v.pipe(v.string(), v.startsWith(FOLDER)),
      count: v.pipe(count, v.minValue(1), v.maxValue(SEGMENT_ROWS)),
      bytes: v.pipe(count, v.minValue(1)),
    }),
  ),
});
const entriesSchema = v.array(v.object({ id: v.string(), metadata: v.exactOptional(metadataSchema) }));

/** Whether a store holds an index. */
export async function hasIndex(store: Store): Promise<boolean> {
  return (await store.size(MANIFEST)) !== undefined;
}

/**
 * Writes an index: `index.json`, and a safetensors file for every 4096 vectors, with their names in its metadata. A file never
 * changes: what is different gets a new name. `index.json` is replaced last; after that the files go that it does not name.
 *
 * @returns the files of all segments
 */
export async function saveIndex(store: Store, content: IndexContent): Promise<SavedPart[]> {
  const { type, metadata, entries, table } = content;
  const parts: SavedPart[] = [];
  for (let start = 0; start < entries.length; start += SEGMENT_ROWS) {
    const known = content.parts[parts.length];
    const kept = known && (await store.size(known.file)) === known.bytes;
    parts.push(kept ? known : await savePart(store, table!, entries.slice(start, start + SEGMENT_ROWS), start));
  }
  await writeJSON(store, MANIFEST, {
    format: 'tfjs-captioning image-text index',
    formatVersion: 1,
    type,
    size: table && entries.length > 0 ? table.size : null,
    count: entries.length,
    metadata,
    parts,
  } satisfies v.InferOutput<typeof manifestSchema>);
  const files = new Set(parts.map(({ file }) => file));
  for (const name of await store.list(FOLDER)) if (!files.has(name)) await store.remove(name);
  return parts;
}

async function savePart(
  store: Store,
  table: VectorTable,
  entries: readonly Entry[],
  start: number,
): Promise<SavedPart> {
  const bytes = writeSafetensors(
    [['vectors', stored(table, start, entries.length)]],
    [['entries', JSON.stringify(entries)]],
  );
  const file = `${FOLDER}${randomName()}.safetensors`;
  await store.write(file, bytes);
  return { file, count: entries.length, bytes: bytes.length };
}

function stored(table: VectorTable, start: number, rows: number) {
  const { size, type } = table;
  const shape = [rows, size];
  if (type === 'int8') {
    const codes = new Int8Array(rows * size);
    for (let row = 0; row < rows; row++) codes.set(table.codes(start + row), row * size);
    return storeInt8(codes, shape);
  }
  const values = new Float32Array(rows * size);
  for (let row = 0; row < rows; row++) values.set(table.vector(start + row), row * size);
  return storeFloat32(values, shape);
}

function randomName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * Reads an index. The sizes of all files are compared with what `index.json` says before any of them is read.
 *
 * @throws DataError that names the file which is missing or damaged
 */
export async function loadIndex(store: Store): Promise<IndexContent> {
  const where = `${MANIFEST} in ${store.location}`;
  const { type, size, count, metadata, parts } = await readJSON(store, MANIFEST, manifestSchema);
  const sum = parts.reduce((sum, part) => sum + part.count, 0);
  if (
    sum !== count ||
    (size === null) !== (parts.length === 0) ||
    parts.slice(0, -1).some((part) => part.count < SEGMENT_ROWS)
  )
    throw new DataError(
      `${where} says ${count} vectors, but its parts are not those of so many. Build the index again.`,
    );
  for (const { file, bytes, count: rows } of parts) {
    const there = await sizeOf(store, file);
    if (there !== bytes)
      throw new DataError(
        `${file} in ${store.location} has ${there} bytes, but ${MANIFEST} says ${bytes}. Was it cut short? Build the index again.`,
      );
    if (bytes < rows * (size ?? 0))
      throw new DataError(
        `${where} says that ${file} holds ${rows} vectors of ${size} numbers in ${bytes} bytes. Build the index again.`,
      );
  }
  if (size === null) return { type, metadata, entries: [], table: undefined, parts: [] };
  const table = new VectorTable(size, type);
  const entries: Entry[] = [];
  const names = new Set<string>();
  for (const part of parts)
    await named(store, part.file, async () => {
      for (const entry of readPart(await store.read(part.file), part.count, table)) {
        if (names.has(entry.id)) throw damaged(`'${entry.id}' is in the index twice`);
        names.add(entry.id);
        entries.push(entry);
      }
    });
  return { type, metadata, entries, table, parts };
}

/** Appends the vectors of a part to the table. */
function readPart(bytes: Uint8Array, rows: number, table: VectorTable): Entry[] {
  const { size, type } = table;
  const { tensors, metadata } = readSafetensors(bytes);
  const vectors = tensors.get('vectors');
  const dtype = type === 'int8' ? 'I8' : 'F32';
  const [inFile, each] = vectors?.shape ?? [];
  if (vectors?.dtype !== dtype || vectors.shape.length !== 2 || inFile !== rows || each !== size)
    throw damaged(
      `it should hold vectors ${dtype} [${rows},${size}] but holds ${vectors ? `${vectors.dtype} [${vectors.shape}]` : 'none'}`,
    );
  const entries = readEntries(metadata.get('entries'));
  if (entries.length !== rows) throw damaged(`it holds ${rows} vectors but ${entries.length} names`);
  if (type === 'int8')
    appendCodes(new Int8Array(vectors.data.buffer, vectors.data.byteOffset, rows * size), entries, table);
  else appendValues(float32Values(vectors), entries, table);
  return entries;
}

function readEntries(text: string | undefined): Entry[] {
  let value: unknown;
  try {
    value = JSON.parse(text ?? '');
  } catch (cause) {
    throw damaged(`its names are not JSON (${(cause as Error).message})`);
  }
  const checked = v.safeParse(entriesSchema, value);
  if (!checked.success) throw damaged(`its names are not what they should be (${checked.issues[0].message})`);
  return checked.output;
}

function appendValues(values: Float32Array, entries: readonly Entry[], table: VectorTable): void {
  const { size } = table;
  for (const [row, { id }] of entries.entries()) {
    const vector = values.subarray(row * size, (row + 1) * size);
    let squares = 0;
    for (let i = 0; i < size; i++) squares += vector[i]! ** 2;
    // Rounding to float32 moves it by less than 1e-6.
    if (!(Math.abs(squares - 1) < 1e-4))
      throw damaged(`the vector of '${id}' has the length ${Math.sqrt(squares)} instead of 1`);
    table.append(vector);
  }
}

function appendCodes(values: Int8Array, entries: readonly Entry[], table: VectorTable): void {
  const { size } = table;
  for (const [row, { id }] of entries.entries()) {
    const codes = values.subarray(row * size, (row + 1) * size);
    if (codes.every((code) => code === 0)) throw damaged(`the vector of '${id}' has nothing but zeros`);
    table.appendCodes(codes);
  }
}

const damaged = (why: string) => new DataError(`This is not a part of an index: ${why}. Build the index again.`);
