import * as tf from '@tensorflow/tfjs';
import { encodePixels } from '../captioner';
import { DataError } from '../core/errors';
import { leaves } from '../core/tree';
import { toPixels } from '../data/pixels';
import type { Example, PixelImage } from '../data/types';
import type { Encoder } from '../encoders/types';
import { float16ToFloat32, float32ToFloat16 } from '../io/float16';

/** Encoded pictures kept for later: float16 bits by a key that changes with picture, weights and preprocessing. */
export interface FeatureCache {
  get(key: string): Promise<Uint16Array | undefined>;
  put(key: string, features: Uint16Array): Promise<void>;
}

/** features [images, positions, featureSize] of examples, as a tensor that belongs to the caller. */
export type FeatureReader = (examples: readonly Example[]) => Promise<tf.Tensor3D>;

/**
 * Reads features of examples through a frozen encoder; with a cache every picture is encoded once, ever.
 *
 * What comes out of the cache is rounded to float16, and so is what is encoded anew: a run that finds the cache
 * filled learns the same as the one that filled it.
 */
export function featureReader(encoder: Encoder, cache?: FeatureCache): FeatureReader {
  if (!cache)
    return async (examples) =>
      encodePixels(encoder, await Promise.all(examples.map((example) => pixelsOf(example, encoder))));
  const [positions, size] = [encoder.grid[0] * encoder.grid[1], encoder.featureSize];
  const keys = new Map<string, string>();
  let fingerprint: Promise<string> | undefined;

  const fromCache = async (example: Example) => {
    const known = keys.get(example.id);
    if (known) return { example, key: known, features: await cache.get(known) };
    fingerprint ??= encoderFingerprint(encoder);
    const pixels = await pixelsOf(example, encoder);
    const key = `${await fingerprint}-${await digest([Uint32Array.of(pixels.width, pixels.height), pixels.data])}`;
    keys.set(example.id, key);
    return { example, key, pixels, features: await cache.get(key) };
  };

  return async (examples) => {
    const found = await Promise.all(examples.map(fromCache));
    const missing = found.filter(({ features }) => !features);
    if (missing.length > 0) {
      const pixels = await Promise.all(missing.map(({ example, pixels }) => pixels ?? pixelsOf(example, encoder)));
      const encoded = encodePixels(encoder, pixels);
      try {
        const bits = float32ToFloat16((await encoded.data()) as Float32Array);
        for (const [i, entry] of missing.entries()) {
          entry.features = bits.slice(i * positions * size, (i + 1) * positions * size);
          await cache.put(entry.key, entry.features);
        }
      } finally {
        encoded.dispose();
      }
    }
    const values = new Float32Array(examples.length * positions * size);
    for (const [i, { features }] of found.entries()) values.set(float16ToFloat32(features!), i * positions * size);
    return tf.tensor3d(values, [examples.length, positions, size]);
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

/** Names the function that the encoder computes: its configuration, preprocessing and every weight. */
async function encoderFingerprint(encoder: Encoder): Promise<string> {
  const described = JSON.stringify([encoder.config, encoder.preprocessing, [...leaves(encoder.params).keys()]]);
  const weights = await Promise.all([...leaves(encoder.params).values()].map((tensor) => tensor.data()));
  return digest([new TextEncoder().encode(described), ...(weights as Float32Array[])]);
}

/** The first 128 bits of SHA-256 over all parts, hexadecimal. */
async function digest(parts: readonly ArrayBufferView[]): Promise<string> {
  const size = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const joined = new Uint8Array(size);
  let at = 0;
  for (const { buffer, byteOffset, byteLength } of parts) {
    joined.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', joined));
  return Array.from(hash.subarray(0, 16), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
