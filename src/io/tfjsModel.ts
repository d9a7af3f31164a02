import * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import { DataError } from '../core/errors';
import { readJSON } from './checkpoint';
import type { Store } from './types';

const modelSchema = v.looseObject({
  modelTopology: v.looseObject({}),
  weightsManifest: v.array(v.looseObject({ paths: v.array(v.string()), weights: v.array(v.looseObject({})) })),
});

/**
 * A TensorFlow.js model, layers or graph, as it lies in a folder or at an address: `model.json` and its shards of weights.
 *
 * @throws DataError for a file that is missing, cut short or none of such a model
 */
export async function readTfjsModel(store: Store, file = 'model.json'): Promise<tf.io.ModelArtifacts> {
  const json = (await readJSON(store, file, modelSchema)) as unknown as tf.io.ModelJSON;
  const folder = file.slice(0, file.lastIndexOf('/') + 1);
  return tf.io.getModelArtifactsForJSON(json, async (manifest) => {
    const specs = manifest.flatMap(({ weights }) => weights);
    const shards: Uint8Array[] = [];
    for (const path of manifest.flatMap(({ paths }) => paths)) shards.push(await store.read(folder + path));
    const bytes = new Uint8Array(shards.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const shard of shards) {
      bytes.set(shard, at);
      at += shard.length;
    }
    const needed = specs.reduce((sum, spec) => sum + bytesOf(spec), 0);
    if (specs.every(({ dtype }) => dtype !== 'string') && bytes.length < needed)
      throw new DataError(
        `The weights of ${file} in ${store.location} have ${bytes.length} bytes but should have ${needed}. Is a shard cut short?`,
      );
    return [specs, bytes.buffer];
  });
}

function bytesOf({ shape, dtype, quantization }: tf.io.WeightsManifestEntry): number {
  const bytes = { float32: 4, int32: 4, uint8: 1, uint16: 2, bool: 1, float16: 2, complex64: 8, string: 0 };
  return shape.reduce((size, side) => size * side, 1) * bytes[quantization?.dtype ?? dtype];
}
