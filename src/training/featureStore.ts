import * as v from 'valibot';
import { DataError, expectWhole, UsageError } from '../core/errors';
import { hex } from '../core/hash';
import { whole } from '../core/schema';
import { readJSON, writeJSON } from '../io/checkpoint';
import type { TensorEntry } from '../io/safetensors';
import type { Store } from '../io/types';
import { type CodedFeatures, type FeatureType, featureCodec } from './featureCodec';
import { CHECKSUM, checksumOf, KEY, openShard, SHARDS, type Shard, type Waiting, writeShard } from './featureShard';
import type { EncoderIdentity, FeatureCache, KeptFeatures } from './features';

const MANIFEST = 'features.json';
/** More rows in a shard than this would not fit the number that says where a picture lies. */
const MOST_ROWS = 2 ** 20;

export type FeatureStoreOptions = {
  /** For a new store; default `f16`. One that is there has its own, and another one is refused. */
  dtype?: FeatureType;
  /** Features are collected up to so many bytes, then written as a file. Default 32 MiB. */
  shardBytes?: number;
  /** What is collected is written after so many seconds too, so that no kill costs more than that. Default 60. */
  flushSeconds?: number;
};

/** Features of one encoder, as they lie in a folder. */
export interface FeatureStore extends KeptFeatures, FeatureCache {
  readonly dtype: FeatureType;
  /** Pictures and views of pictures that it holds. */
  readonly size: number;
  /** Files of it that are damaged and were passed over. */
  readonly damaged: readonly string[];
  of(identity: EncoderIdentity): Promise<FeatureStore>;
  has(picture: string): boolean;
  /** Writes what was collected. */
  flush(): Promise<void>;
}

const manifestSchema = v.object({
  format: v.literal('tfjs-captioning features'),
  formatVersion: v.literal(1),
  dtype: v.picklist(['f16', 'int8']),
  positions: whole,
  featureSize: whole,
  encoder: v.record(v.string(), v.unknown()),
  preprocessing: v.record(v.string(), v.unknown()),
  weights: v.string(),
});

/**
 * Features of one encoder in a store: `features.json` says whose, `shards/*.safetensors` hold them. A picture's features are
 * read by their range of a file and compared with a checksum; memory holds an index of keys alone (some 100 bytes a picture).
 *
 * Each shard is written whole and named by its content. So a kill leaves whole ones, several processes may write to one store, and
 * Python reads it: `features` F16 or U8 [pictures, positions, featureSize], with U8 `ranges` F32 [pictures, positions, 2] (least
 * value and step: value = least + step * code), `keys` U8 [pictures, 16] and `checksums` U8 [pictures, 8].
 *
 * @param identity - of the encoder, as `identify` gives it
 * @throws DataError where the store was made with another encoder or preprocessing, and what differs; UsageError for another dtype
 */
export async function openFeatureStore(
  store: Store,
  identity: EncoderIdentity,
  options: FeatureStoreOptions = {},
): Promise<FeatureStore> {
  const { shardBytes = 32 * 2 ** 20, flushSeconds = 60 } = options;
  expectWhole('shardBytes', shardBytes, 1);
  const dtype = await agree(store, identity, options.dtype);
  const { positions, featureSize } = identity;
  const codec = featureCodec(dtype, positions, featureSize);
  const pictureBytes = positions * featureSize * codec.valueBytes;

  const shards: Shard[] = [];
  const damaged: string[] = [];
  /** Where each picture lies; more places than one where it was put anew because the first was damaged. */
  const places = new Map<string, number | number[]>();
  const enter = (key: string, place: number) => {
    const before = places.get(key);
    places.set(key, before === undefined ? place : [place, ...(typeof before === 'number' ? [before] : before)]);
  };
  const add = async (name: string) => {
    const { keys, ...shard } = await openShard(store, name, [positions, featureSize], dtype);
    shards.push(shard);
    for (let row = 0; row < keys.length / KEY; row++)
      enter(hex(keys.subarray(row * KEY, (row + 1) * KEY)), (shards.length - 1) * MOST_ROWS + row);
  };
  for (const name of await store.list(SHARDS))
    await add(name).catch((error) => {
      if (!(error instanceof DataError)) throw error;
      damaged.push(`${name}: ${error.message}`);
    });

  let waiting: Waiting = new Map();
  /** Those that are being written. */
  let leaving: Waiting = new Map();
  let waitingSince = 0;
  let writing: Promise<void> = Promise.resolve();
  const write = async () => {
    if (waiting.size === 0) return;
    [leaving, waiting] = [waiting, new Map()];
    try {
      await add(await writeShard(store, leaving, [positions, featureSize], dtype));
    } catch (error) {
      waiting = new Map([...leaving, ...waiting]);
      throw error;
    } finally {
      leaving = new Map();
    }
  };
  const flush = () => {
    const done = writing.then(write);
    writing = done.catch(() => {});
    return done;
  };

  const readPlace = async (key: string, place: number): Promise<Float32Array | undefined> => {
    const [shard, row] = [shards[Math.floor(place / MOST_ROWS)]!, place % MOST_ROWS];
    const read = (tensor: TensorEntry, bytes: number) => {
      const start = tensor.begin + row * bytes;
      return store.read(shard.name, { start, end: start + bytes });
    };
    const coded: CodedFeatures = { values: await read(shard.values, pictureBytes) };
    if (shard.ranges) coded.ranges = await read(shard.ranges, codec.rangeBytes);
    const stated = shard.checksums.subarray(row * CHECKSUM, (row + 1) * CHECKSUM);
    const found = await checksumOf(key, coded);
    return found.every((byte, i) => byte === stated[i]) ? codec.decode(coded) : undefined;
  };

  const opened: FeatureStore = {
    dtype,
    damaged,
    get size() {
      return places.size + [...waiting.keys(), ...leaving.keys()].filter((key) => !places.has(key)).length;
    },
    async of(other) {
      expectSame(store, other, identity);
      return opened;
    },
    has: (picture) => places.has(picture) || waiting.has(picture) || leaving.has(picture),
    async get(picture) {
      const coded = waiting.get(picture) ?? leaving.get(picture);
      if (coded) return codec.decode(coded);
      const found = places.get(picture);
      if (found === undefined) return undefined;
      for (const place of typeof found === 'number' ? [found] : found) {
        const features = await readPlace(picture, place);
        if (features) return features;
      }
      return undefined;
    },
    async put(picture, features) {
      if (!/^[0-9a-f]{32}$/.test(picture))
        throw new UsageError(`'${picture}' cannot be the key of a picture: 32 hexadecimal digits are.`);
      if (features.length !== positions * featureSize)
        throw new UsageError(
          `Features of ${features.length} values do not fit a store of ${positions} positions of ${featureSize}.`,
        );
      const coded = codec.encode(features);
      const checksum = await checksumOf(picture, coded);
      if (waiting.size === 0) waitingSince = performance.now();
      waiting.set(picture, { ...coded, checksum });
      const full = waiting.size * (pictureBytes + codec.rangeBytes) >= shardBytes || waiting.size === MOST_ROWS;
      if (full || performance.now() - waitingSince > 1000 * flushSeconds) await flush();
      return codec.decode(coded);
    },
    flush,
  };
  return opened;
}

/** The type of the values, after making sure that the store is this encoder's, or making it so. */
async function agree(store: Store, identity: EncoderIdentity, wanted: FeatureType | undefined): Promise<FeatureType> {
  const { encoder, preprocessing, weights, positions, featureSize } = identity;
  if ((await store.size(MANIFEST)) === undefined) {
    const dtype = wanted ?? 'f16';
    const own = { positions, featureSize, encoder, preprocessing, weights };
    await writeJSON(store, MANIFEST, { format: 'tfjs-captioning features', formatVersion: 1, dtype, ...own });
    return dtype;
  }
  const kept = await readJSON(store, MANIFEST, manifestSchema);
  expectSame(store, identity, kept);
  if (wanted && wanted !== kept.dtype)
    throw new UsageError(
      `The features in ${store.location} are ${kept.dtype}, not ${wanted}. Leave the type out, or name another folder.`,
    );
  return kept.dtype;
}

/** Refuses features of another encoder or preprocessing, and says what differs. */
function expectSame(
  store: Store,
  wanted: EncoderIdentity,
  kept: Pick<v.InferOutput<typeof manifestSchema>, 'weights' | 'positions' | 'featureSize'> & {
    encoder: object;
    preprocessing: object;
  },
): void {
  const differences = [
    ...differencesOf('encoder', kept.encoder, wanted.encoder),
    ...differencesOf('preprocessing', kept.preprocessing, wanted.preprocessing),
    ...differencesOf('', kept, wanted, ['positions', 'featureSize']),
    ...(kept.weights === wanted.weights ? [] : ['the weights of the encoder are others']),
  ];
  if (differences.length === 0) return;
  throw new DataError(
    `The features in ${store.location} were made by another encoder or preprocessing: ${differences.join('; ')}. ` +
      'Name the folder of those of this encoder, or an empty one (--features-path on the command line).',
  );
}

function differencesOf(
  what: string,
  kept: object,
  wanted: object,
  names: readonly string[] = [...new Set([...Object.keys(kept), ...Object.keys(wanted)])],
): string[] {
  const [before, now] = [kept, wanted].map((each) => (name: string) => {
    const value = (each as Record<string, unknown>)[name];
    return value === undefined ? 'absent' : JSON.stringify(value);
  }) as [(name: string) => string, (name: string) => string];
  return names
    .filter((name) => before(name) !== now(name))
    .map((name) => `${what === '' ? '' : `${what}.`}${name} was ${before(name)} and is ${now(name)}`);
}
