import * as tf from '@tensorflow/tfjs';
import { encodePixels } from '../captioner';
import { DataError } from '../core/errors';
import { hex, sha256 } from '../core/hash';
import type { Preprocessing } from '../core/preprocessing';
import { leaves } from '../core/tree';
import { toPixels } from '../data/pixels';
import type { Example, PixelImage } from '../data/types';
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

/** features [images, positions, featureSize] of examples, as a tensor that belongs to the caller. */
export type FeatureReader = (examples: readonly Example[]) => Promise<tf.Tensor3D>;

/**
 * Reads features of examples through a frozen encoder; with a cache every picture is encoded once, ever, and so is the flipped
 * view of it. Random views are encoded each time and not kept.
 *
 * What comes out of the cache is rounded, and so is what goes into it: a run that finds the cache filled learns the same as the
 * one that filled it.
 */
export function featureReader(encoder: Encoder, cache?: FeatureCache): FeatureReader {
  if (!cache)
    return async (examples) =>
      encodePixels(encoder, await Promise.all(examples.map((example) => pixelsOf(example, encoder))));
  const { positions, featureSize } = sizesOf(encoder);
  const size = positions * featureSize;
  const keys = new Map<string, string>();
  let opening: Promise<KeptFeatures> | undefined;

  type Found = { example: Example; key?: string; pixels?: PixelImage; features?: Float32Array | undefined };
  const find = async (example: Example, kept: KeptFeatures): Promise<Found> => {
    if (example.view === 'random') return { example };
    const name = `${example.view ?? ''}\n${example.id}`;
    const known = keys.get(name);
    if (known) return { example, key: known, features: await kept.get(known) };
    const pixels = await pixelsOf(example, encoder);
    const key = await digest([Uint32Array.of(pixels.width, pixels.height), pixels.data]);
    keys.set(name, key);
    return { example, key, pixels, features: await kept.get(key) };
  };

  return async (examples) => {
    opening ??= identify(encoder).then((identity) => cache.of(identity));
    const kept = await opening;
    const found = await Promise.all(examples.map((example) => find(example, kept)));
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
}

/** The RGB pixels of an example, as the encoder wants them; an error names the example. */
export async function pixelsOf(example: Example, { preprocessing }: Encoder): Promise<PixelImage> {
  try {
    return await toPixels(await example.image(), preprocessing);
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
