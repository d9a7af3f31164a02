import * as tf from '@tensorflow/tfjs';
import { encodePixels } from '../captioner';
import { DataError } from '../core/errors';
import { hex, sha256 } from '../core/hash';
import type { Preprocessing } from '../core/preprocessing';
import { leaves } from '../core/tree';
import { pictureKey } from '../data/fit';
import { toPixels } from '../data/pixels';
import { ahead } from '../data/streams';
import type { Dataset, Example, FittedImage, PixelImage } from '../data/types';
import type { Encoder } from '../encoders/types';

/** Names the function that an encoder computes, so that features of another are never taken for its own. */
export type EncoderIdentity = {
  encoder: Encoder['config'];
  preprocessing: Preprocessing;
  /** Of the names and values of all weights, hexadecimal. */
  weights: string;
  positions: number;
  featureSize: number;
  /** Of all of the above. */
  fingerprint: string;
};

/** Where features are kept, so that a frozen encoder sees every picture once. */
export interface FeatureCache {
  /**
   * Those of one encoder.
   *
   * @throws DataError where only those of another are kept here
   */
  of(identity: EncoderIdentity): Promise<KeptFeatures>;
}

/** Features of pictures by a key of their pixels. */
export interface KeptFeatures {
  /** [positions * featureSize], or nothing where there are none that are whole. */
  get(picture: string): Promise<Float32Array | undefined>;
  /** Keeps them and returns what `get` will give: they may be rounded. */
  put(picture: string, features: Float32Array): Promise<Float32Array>;
}

export interface FeatureReader {
  /** features [images, positions, featureSize] of examples, as a tensor that belongs to the caller. */
  (examples: readonly Example[]): Promise<tf.Tensor3D>;
  /** Begins to read the pictures, or what is kept of them, of examples that will be asked for, while the engine computes. */
  ahead(examples: readonly Example[]): void;
}

/**
 * Reads features of examples through a frozen encoder; with a cache every picture is encoded once, ever, and so is the flipped
 * view of it. Random views are encoded each time and not kept.
 *
 * What comes out of the cache is rounded, and so is what goes into it: a run that finds the cache filled learns the same as the
 * one that filled it.
 */
export function featureReader(encoder: Encoder, cache?: FeatureCache): FeatureReader {
  if (!cache) {
    const pixels = begun((example) => pixelsOf(example, encoder));
    const read = async (examples: readonly Example[]) =>
      encodePixels(encoder, await Promise.all(examples.map(pixels.take)));
    return Object.assign(read, { ahead: pixels.ahead });
  }
  const { positions, featureSize } = sizesOf(encoder);
  const size = positions * featureSize;
  const keys = new Map<string, string>();
  let opening: Promise<KeptFeatures> | undefined;

  type Found = { example: Example; key?: string; pixels?: PixelImage; features?: Float32Array | undefined };
  const open = () => {
    opening ??= identify(encoder).then((identity) => cache.of(identity));
    return opening;
  };
  const find = async (example: Example): Promise<Found> => {
    if (example.view === 'random') return { example, pixels: await pixelsOf(example, encoder) };
    const kept = await open();
    const name = `${example.view ?? ''}\n${example.id}`;
    const known = keys.get(name);
    if (known) return { example, key: known, features: await kept.get(known) };
    const pixels = await pixelsOf(example, encoder);
    const key = 'key' in pixels ? pixels.key : await pictureKey(pixels);
    keys.set(name, key);
    return { example, key, pixels, features: await kept.get(key) };
  };

  const begin = begun(find);
  const read = async (examples: readonly Example[]) => {
    const kept = await open();
    const found = await Promise.all(examples.map(begin.take));
    // What was missing when it was looked for ahead may have been kept since.
    for (const entry of found)
      if (!entry.features && entry.key !== undefined) entry.features = await kept.get(entry.key);
    const missing = found.filter(({ features }) => !features);
    if (missing.length > 0) {
      const pixels = await Promise.all(missing.map(({ example, pixels }) => pixels ?? pixelsOf(example, encoder)));
      const encoded = encodePixels(encoder, pixels);
      try {
        const values = (await encoded.data()) as Float32Array;
        for (const [i, entry] of missing.entries()) {
          const own = values.slice(i * size, (i + 1) * size);
          entry.features = entry.key === undefined ? own : await kept.put(entry.key, own);
        }
      } finally {
        encoded.dispose();
      }
    }
    const values = new Float32Array(examples.length * size);
    for (const [i, { features }] of found.entries()) values.set(features!, i * size);
    return tf.tensor3d(values, [examples.length, positions, featureSize]);
  };
  return Object.assign(read, { ahead: begin.ahead });
}

/** Work on examples that may begin before its result is taken; an error waits until then. */
function begun<T>(work: (example: Example) => Promise<T>) {
  const under = new WeakMap<Example, Promise<T>>();
  return {
    ahead(examples: readonly Example[]): void {
      for (const example of examples) {
        if (under.has(example)) continue;
        const result = work(example);
        result.catch(() => {});
        under.set(example, result);
      }
    },
    take(example: Example): Promise<T> {
      const result = under.get(example) ?? work(example);
      under.delete(example);
      return result;
    },
  };
}

/**
 * The examples of a data set, `batchSize` at a time; the pictures of the next ones are read by `read` while these are used.
 *
 * @param most - examples from the first on; by default all
 */
export function batchesAhead(
  data: Dataset,
  batchSize: number,
  read: FeatureReader,
  most = data.size,
): AsyncGenerator<Example[]> {
  const starts = Array.from({ length: Math.ceil(most / batchSize) }, (_, batch) => batch * batchSize);
  return ahead(starts, 2, async (start) => {
    const count = Math.min(batchSize, most - start);
    const examples = await Promise.all(Array.from({ length: count }, (_, i) => data.at(start + i)));
    read.ahead(examples);
    return examples;
  });
}

/** The RGB pixels of an example, as the encoder wants them and perhaps fitted already; an error names the example. */
export async function pixelsOf(example: Example, { preprocessing }: Encoder): Promise<PixelImage | FittedImage> {
  try {
    return (await example.image.fitted?.(preprocessing)) ?? (await toPixels(await example.image(), preprocessing));
  } catch (error) {
    throw new DataError(`The picture of example ${example.id} cannot be used: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

const sizesOf = ({ grid, leading = 0, featureSize }: Encoder) => ({
  positions: leading + grid[0] * grid[1],
  featureSize,
});

/** Reads every weight. */
export async function identify(encoder: Encoder): Promise<EncoderIdentity> {
  const { config, preprocessing } = encoder;
  const params = leaves(encoder.params);
  const values = await Promise.all([...params.values()].map((tensor) => tensor.data()));
  const weights = await digest([utf8(JSON.stringify([...params.keys()])), ...(values as Float32Array[])]);
  const identity = { encoder: config, preprocessing, weights, ...sizesOf(encoder) };
  return { ...identity, fingerprint: await digest([utf8(JSON.stringify(identity))]) };
}

const utf8 = (text: string) => new TextEncoder().encode(text);

/** The first 128 bits of SHA-256 over all parts, hexadecimal. */
const digest = async (parts: readonly ArrayBufferView[]) => hex((await sha256(parts)).subarray(0, 16));
