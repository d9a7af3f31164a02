import { DataError, UsageError } from '../core/errors';
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from './float16';

/** Bytes per value, in the order in which the format's own writer lays the types out: the widest first. */
export const tensorWidths = { I64: 8, F64: 8, F32: 4, I32: 4, BF16: 2, F16: 2, I16: 2, I8: 1, U8: 1, BOOL: 1 } as const;

export type SafetensorsType = keyof typeof tensorWidths;

/** A tensor as it lies in the file: `data` are the bytes of its values, row by row, little-endian. */
export type StoredTensor = { dtype: SafetensorsType; shape: readonly number[]; data: Uint8Array };

export type Safetensors = { tensors: Map<string, StoredTensor>; metadata: Map<string, string> };

/** Where a tensor lies: bytes `begin` to `end` of the file. */
export type TensorEntry = { dtype: SafetensorsType; shape: readonly number[]; begin: number; end: number };

export type SafetensorsHeader = { tensors: Map<string, TensorEntry>; metadata: Map<string, string> };

/** The limit of the format's own reader, in bytes. */
const maxHeader = 100_000_000;

const metadataName = '__metadata__';

/**
 * Takes a safetensors file apart. Everything the header claims is checked against the bytes that are there before
 * any of it is used; nothing is copied (`data` are views of `bytes`) and nothing in the file is executed.
 *
 * @throws DataError where the file is cut, damaged or holds a type that is not known
 * @see https://github.com/huggingface/safetensors#format
 */
export function readSafetensors(bytes: Uint8Array): Safetensors {
  const start = 8 + headerLength(bytes, bytes.length);
  const header = readHeader(bytes.subarray(8, start), bytes.length);
  const tensors = [...header.tensors].map(([name, { dtype, shape, begin, end }]): [string, StoredTensor] => [
    name,
    { dtype, shape, data: bytes.subarray(begin, end) },
  ]);
  return { tensors: new Map(tensors), metadata: header.metadata };
}

/**
 * The bytes of the header, which begins at the ninth byte of the file.
 *
 * @param bytes - the first 8 bytes of the file, or more
 * @param size - bytes of the whole file
 */
export function headerLength(bytes: Uint8Array, size: number): number {
  if (bytes.length < 8) throw damaged(`it has ${bytes.length} bytes, fewer than the 8 that give the header's length`);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > maxHeader) throw damaged(`its header claims ${length} bytes, more than the ${maxHeader} allowed`);
  if (length > size - 8)
    throw damaged(`its header claims ${length} bytes but ${size - 8} follow`, 'Was the file cut short?');
  return length;
}

/**
 * What a header says, checked against the size of the file: the tensors fill what follows the header, without holes.
 *
 * @param header - its bytes alone
 * @param fileSize - bytes of the whole file
 * @throws DataError where the file is cut, damaged or holds a type that is not known
 */
export function readHeader(header: Uint8Array, fileSize: number): SafetensorsHeader {
  const start = 8 + header.length;
  const size = fileSize - start;
  const metadata = new Map<string, string>();
  const found: [string, TensorEntry][] = [];
  for (const [name, entry] of Object.entries(parseHeader(header))) {
    if (!isRecord(entry)) throw damaged(`its entry '${name}' is not an object`);
    if (name === metadataName) {
      for (const [key, value] of Object.entries(entry)) {
        if (typeof value !== 'string') throw damaged(`its metadata '${key}' is not text`);
        metadata.set(key, value);
      }
    } else found.push([name, checkEntry(name, entry, size)]);
  }
  found.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let used = 0;
  for (const [name, { begin, end }] of found) {
    if (begin !== used)
      throw damaged(`tensor '${name}' begins at byte ${begin} of the data where ${used} was expected`);
    used = end;
  }
  if (used !== size) throw damaged(`its tensors take ${used} bytes but ${size} follow the header`);
  const tensors = found.map(([name, { begin, end, ...tensor }]): [string, TensorEntry] => [
    name,
    { ...tensor, begin: start + begin, end: start + end },
  ]);
  return { tensors: new Map(tensors), metadata };
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (cause) {
    throw damaged(`its header is not JSON in UTF-8 (${(cause as Error).message})`, undefined, { cause });
  }
  if (!isRecord(header)) throw damaged('its header is not a JSON object');
  const repeated = repeatedKey(text);
  if (repeated !== undefined) throw damaged(`its header names ${repeated} twice`);
  return header;
}

/** The first key, in quotes, that an object of this valid JSON has twice; `JSON.parse` would silently keep the last. */
function repeatedKey(json: string): string | undefined {
  const keys: Set<string>[] = [];
  for (const [token, text, colon] of json.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}]/g)) {
    if (token === '{') keys.push(new Set());
    else if (token === '}') keys.pop();
    else if (colon !== undefined) {
      const seen = keys.at(-1)!;
      const key = JSON.stringify(JSON.parse(text!));
      if (seen.has(key)) return key;
      seen.add(key);
    }
  }
  return undefined;
}

function checkEntry(name: string, entry: Record<string, unknown>, size: number): TensorEntry {
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(tensorWidths, dtype))
    throw damaged(
      `tensor '${name}' has type ${JSON.stringify(dtype)}`,
      `Types that can be read: ${Object.keys(tensorWidths).join(', ')}.`,
    );
  if (!isWholeNumbers(shape))
    throw damaged(`tensor '${name}' has shape ${JSON.stringify(shape)}, which is not a list of whole numbers`);
  if (!isWholeNumbers(offsets) || offsets.length !== 2)
    throw damaged(`tensor '${name}' has offsets ${JSON.stringify(offsets)}, which are not a begin and an end`);
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > size)
    throw damaged(
      `tensor '${name}' lies at bytes ${begin} to ${end} of the data, which has ${size}`,
      'Was the file cut short?',
    );
  const type = dtype as SafetensorsType;
  const needed = count(shape) * tensorWidths[type];
  if (needed !== end - begin)
    throw damaged(`tensor '${name}', ${type} [${shape}], needs ${needed} bytes but has ${end - begin}`);
  return { dtype: type, shape, begin, end };
}

/**
 * Puts tensors into a safetensors file. The same tensors give the same bytes, whatever their order, and every tensor
 * begins at a multiple of its type's width from a header padded to a multiple of 8 bytes.
 *
 * @throws UsageError where the bytes of a tensor do not fit its shape and type
 */
export function writeSafetensors(
  tensors: Iterable<readonly [string, StoredTensor]>,
  metadata: Iterable<readonly [string, string]> = [],
): Uint8Array {
  const order = Object.keys(tensorWidths);
  const sorted = [...tensors].sort(
    ([a, { dtype: typeA }], [b, { dtype: typeB }]) =>
      order.indexOf(typeA) - order.indexOf(typeB) || (a < b ? -1 : a > b ? 1 : 0),
  );
  let size = 0;
  const names = new Set([metadataName]);
  const entries = sorted.map(([name, { dtype, shape, data }]): [string, unknown] => {
    if (names.has(name)) throw new UsageError(`A tensor cannot be named '${name}': the name is taken.`);
    names.add(name);
    if (data.length !== count(shape) * tensorWidths[dtype])
      throw new UsageError(`Tensor '${name}', ${dtype} [${shape}], does not take ${data.length} bytes.`);
    const begin = size;
    size += data.length;
    return [name, { dtype, shape, data_offsets: [begin, size] }];
  });
  const notes = Object.fromEntries(metadata);
  if (Object.keys(notes).length > 0) entries.unshift([metadataName, notes]);
  // fromEntries defines properties, so a tensor named __proto__ is a name like any other.
  const header = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const padded = Math.ceil(header.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded + size).fill(0x20, 8, 8 + padded);
  new DataView(bytes.buffer).setUint32(0, padded, true);
  bytes.set(header, 8);
  let at = 8 + padded;
  for (const [, { data }] of sorted) {
    bytes.set(data, at);
    at += data.length;
  }
  return bytes;
}

/**
 * The values as float32, whatever their type (F64 and whole numbers are rounded). F32 that is aligned is not copied:
 * it shares the memory of the file.
 */
export function float32Values({ dtype, data }: StoredTensor): Float32Array {
  switch (dtype) {
    case 'F32':
      return typed(Float32Array, data);
    case 'F16':
      return float16ToFloat32(typed(Uint16Array, data));
    case 'BF16':
      return bfloat16ToFloat32(typed(Uint16Array, data));
    case 'F64':
      return Float32Array.from(typed(Float64Array, data));
    case 'I64':
      return Float32Array.from(typed(BigInt64Array, data), Number);
    case 'I32':
      return Float32Array.from(typed(Int32Array, data));
    case 'I16':
      return Float32Array.from(typed(Int16Array, data));
    case 'I8':
      return Float32Array.from(typed(Int8Array, data));
    case 'U8':
    case 'BOOL':
      return Float32Array.from(data);
  }
}

/**
 * The values of a type of whole numbers as int32. I32 that is aligned is not copied: it shares the memory of the file.
 *
 * @throws DataError where the type has fractions or a value does not fit 32 bits
 */
export function int32Values({ dtype, data }: StoredTensor): Int32Array {
  switch (dtype) {
    case 'I32':
      return typed(Int32Array, data);
    case 'I64':
      return Int32Array.from(typed(BigInt64Array, data), (value) => {
        if (BigInt.asIntN(32, value) !== value)
          throw new DataError(`An I64 tensor holds ${value}, which does not fit int32.`);
        return Number(value);
      });
    case 'I16':
      return Int32Array.from(typed(Int16Array, data));
    case 'I8':
      return Int32Array.from(typed(Int8Array, data));
    case 'U8':
    case 'BOOL':
      return Int32Array.from(data);
    default:
      throw new DataError(`A tensor of type ${dtype} cannot be read as whole numbers. Read it as float32 instead.`);
  }
}

/** A tensor to be written, from float32; F16 and BF16 halve the file and keep 11 and 8 bits. */
export function storeFloat32(
  values: Float32Array,
  shape: readonly number[],
  dtype: 'F32' | 'F16' | 'BF16' = 'F32',
): StoredTensor {
  const stored = { F32: (all: Float32Array) => all, F16: float32ToFloat16, BF16: float32ToBfloat16 }[dtype](values);
  return { dtype, shape: [...shape], data: asBytes(stored) };
}

/** A tensor to be written, from int32. */
export function storeInt32(values: Int32Array, shape: readonly number[]): StoredTensor {
  return { dtype: 'I32', shape: [...shape], data: asBytes(values) };
}

/** A tensor to be written, from int8. */
export function storeInt8(values: Int8Array, shape: readonly number[]): StoredTensor {
  return { dtype: 'I8', shape: [...shape], data: asBytes(values) };
}

type TypedArrayType<T> = {
  new (buffer: ArrayBufferLike, offset: number, length: number): T;
  BYTES_PER_ELEMENT: number;
};

/** A view where the bytes are aligned, else a copy; every machine that runs JavaScript engines of today is little-endian. */
export function typed<T>(type: TypedArrayType<T>, data: Uint8Array): T {
  const aligned = data.byteOffset % type.BYTES_PER_ELEMENT === 0 ? data : data.slice();
  return new type(aligned.buffer, aligned.byteOffset, aligned.byteLength / type.BYTES_PER_ELEMENT);
}

const asBytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => new Uint8Array(buffer, byteOffset, byteLength);

const count = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isWholeNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((number) => Number.isSafeInteger(number) && number >= 0);

const damaged = (why: string, remedy = 'Fetch or write the file again.', options?: ErrorOptions) =>
  new DataError(`This is not a whole safetensors file: ${why}. ${remedy}`, options);
