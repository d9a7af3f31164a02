import { DataError } from '../core/errors';
import { hex, sha256, unhex } from '../core/hash';
import {
  headerLength,
  readHeader,
  type SafetensorsHeader,
  type StoredTensor,
  type TensorEntry,
  writeSafetensors,
} from '../io/safetensors';
import type { Store } from '../io/types';
import { type CodedFeatures, type FeatureType, featureCodec } from './featureCodec';

/** The folder of the files in a store of features. */
export const SHARDS = 'shards/';

/** Bytes of a picture's key and of its checksum. */
export const [KEY, CHECKSUM] = [16, 8];

/** A file of features whose header was read. */
export type Shard = {
  name: string;
  values: TensorEntry;
  ranges: TensorEntry | undefined;
  /** [pictures * CHECKSUM] */
  checksums: Uint8Array;
};

/** Pictures that are not in a file yet. */
export type Waiting = Map<string, CodedFeatures & { checksum: Uint8Array }>;

/** Reads what a file of features says about itself, and its keys and checksums, but not the features. */
export async function openShard(
  store: Store,
  name: string,
  shape: readonly [positions: number, featureSize: number],
  dtype: FeatureType,
): Promise<Shard & { keys: Uint8Array }> {
  const size = (await store.size(name)) ?? 0;
  const length = headerLength(await store.read(name, { start: 0, end: Math.min(8, size) }), size);
  const header = readHeader(await store.read(name, { start: 8, end: 8 + length }), size);
  const rows = header.tensors.get('keys')?.shape[0] ?? 0;
  const entry = (tensor: string, type: StoredTensor['dtype'], shape: readonly number[]) =>
    entryOf(header, name, tensor, type, [rows, ...shape]);
  const bytesOf = ({ begin, end }: TensorEntry) => store.read(name, { start: begin, end });
  return {
    name,
    values: entry('features', dtype === 'f16' ? 'F16' : 'U8', shape),
    ranges: dtype === 'f16' ? undefined : entry('ranges', 'F32', [shape[0], 2]),
    keys: await bytesOf(entry('keys', 'U8', [KEY])),
    checksums: await bytesOf(entry('checksums', 'U8', [CHECKSUM])),
  };
}

function entryOf(
  { tensors }: SafetensorsHeader,
  name: string,
  tensor: string,
  dtype: StoredTensor['dtype'],
  shape: readonly number[],
): TensorEntry {
  const entry = tensors.get(tensor);
  if (entry?.dtype === dtype && entry.shape.join() === shape.join()) return entry;
  throw new DataError(`${name} has no tensor '${tensor}' of ${dtype} [${shape}].`);
}

/** Writes a file of features and returns its name. */
export async function writeShard(
  store: Store,
  pictures: Waiting,
  [positions, featureSize]: readonly [number, number],
  dtype: FeatureType,
): Promise<string> {
  const rows = pictures.size;
  const join = (parts: Iterable<Uint8Array>, each: number) => {
    const joined = new Uint8Array(rows * each);
    let at = 0;
    for (const part of parts) {
      joined.set(part, at);
      at += each;
    }
    return joined;
  };
  const { valueBytes, rangeBytes } = featureCodec(dtype, positions, featureSize);
  const coded = [...pictures.values()];
  const keys = join([...pictures.keys()].map(unhex), KEY);
  const checksums = join(
    coded.map(({ checksum }) => checksum),
    CHECKSUM,
  );
  const values = join(
    coded.map(({ values }) => values),
    positions * featureSize * valueBytes,
  );
  const tensors: [string, StoredTensor][] = [
    ['features', { dtype: dtype === 'f16' ? 'F16' : 'U8', shape: [rows, positions, featureSize], data: values }],
    ['keys', { dtype: 'U8', shape: [rows, KEY], data: keys }],
    ['checksums', { dtype: 'U8', shape: [rows, CHECKSUM], data: checksums }],
  ];
  if (dtype === 'int8')
    tensors.push([
      'ranges',
      {
        dtype: 'F32',
        shape: [rows, positions, 2],
        data: join(
          coded.map(({ ranges }) => ranges!),
          rangeBytes,
        ),
      },
    ]);
  const name = `${SHARDS}${hex(await sha256([keys, checksums])).slice(0, 32)}.safetensors`;
  await store.write(name, writeSafetensors(tensors));
  return name;
}

/** Of a picture's key and all that is kept of it. */
export async function checksumOf(key: string, { values, ranges }: CodedFeatures): Promise<Uint8Array> {
  const hash = await sha256([unhex(key), values, ...(ranges ? [ranges] : [])]);
  return hash.subarray(0, CHECKSUM);
}
