import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import { DataError, UsageError } from '../core/errors';
import { assignParameters, parametersOf } from '../core/parameters';
import { createEncoder } from '../encoders/create';
import { mobileNetV2LayerNames } from '../encoders/mobilenetV2';
import type { Encoder } from '../encoders/types';
import { assignStored, readJSON, readTensors, tensorOf } from '../io/checkpoint';
import { directory } from './directory';

const configSchema = v.object({ encoder: v.looseObject({ type: v.string() }) });

/**
 * An encoder with its weights.
 *
 * @param nameOrFolder - `mobilenet-v2` with `weights`, or the folder of a captioner, whose encoder is taken
 * @param options.weights - a folder with `model.safetensors`, or such a file, of layers `l00.weight`, `l00.bias`, ...
 * @throws DataError that names what is missing or does not fit
 */
export async function loadEncoder(nameOrFolder: string, options: { weights?: string } = {}): Promise<Encoder> {
  if (nameOrFolder === 'mobilenet-v2') {
    if (!options.weights)
      throw new UsageError(
        "loadEncoder('mobilenet-v2') needs { weights: FOLDER }, a folder with model.safetensors. To take the encoder of a captioner, give its folder instead of a name.",
      );
    return mobileNetV2Of(options.weights);
  }
  if (options.weights)
    throw new UsageError(`'${nameOrFolder}' is no encoder that takes weights; the name that does is mobilenet-v2.`);
  const store = directory(nameOrFolder);
  if (!(await stat(join(nameOrFolder, 'config.json')).catch(() => undefined)))
    throw new DataError(
      `'${nameOrFolder}' is neither an encoder's name (mobilenet-v2) nor the folder of a captioner (it has no config.json).`,
    );
  const config = await readJSON(store, 'config.json', configSchema);
  const weights = await readTensors(store, 'model.safetensors');
  const encoder = createEncoder(config.encoder);
  try {
    const own = new Map([...weights].filter(([name]) => name.startsWith('encoder.')));
    assignStored(parametersOf(encoder.params, 'encoder'), own, `model.safetensors in ${store.location}`);
    return encoder;
  } catch (error) {
    encoder.dispose();
    throw error;
  }
}

async function mobileNetV2Of(path: string): Promise<Encoder> {
  const status = await stat(path).catch(() => undefined);
  if (!status)
    throw new DataError(`There are no weights at ${path}. Give a folder with model.safetensors, or such a file.`);
  const [folder, file] = status.isDirectory()
    ? [path, 'model.safetensors']
    : [join(path, '..'), path.split(/[\\/]/).at(-1)!];
  const stored = await readTensors(directory(folder), file);
  const names = mobileNetV2LayerNames();
  const encoder = createEncoder({ type: 'mobilenet-v2', imageSize: 224 });
  try {
    const shapes = new Map<string, number[]>();
    for (const [path, { name, axes }] of names) {
      const shape = stored.get(name)?.shape;
      if (shape) shapes.set(path, axes ? axes.map((axis) => shape[axis] ?? -1) : [...shape]);
    }
    const read = (path: string) => {
      const { name, axes } = names.get(path)!;
      return tf.tidy(() => (axes ? tf.transpose(tensorOf(stored.get(name)!), axes) : tensorOf(stored.get(name)!)));
    };
    assignParameters(parametersOf(encoder.params), shapes, read, path);
    return encoder;
  } catch (error) {
    encoder.dispose();
    throw error;
  }
}
