import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import { DataError, UsageError } from '../core/errors';
import { assignParameters, parametersOf } from '../core/parameters';
import { createEncoder } from '../encoders/create';
import { mobileNetV2LayerNames } from '../encoders/mobilenetV2';
import { PUBLISHED_NAMES, type PublishedOptions, publishedEncoder } from '../encoders/published';
import { tfjsModelEncoder } from '../encoders/tfjsModel';
import type { Encoder } from '../encoders/types';
import { assignStored, readJSON, readTensors, tensorOf } from '../io/checkpoint';
import { httpStore } from '../io/stores';
import { readTfjsModel } from '../io/tfjsModel';
import { openWeights } from '../io/weights';
import { directory } from './directory';

const configSchema = v.object({ encoder: v.looseObject({ type: v.string() }) });

export type LoadEncoderOptions = PublishedOptions & {
  /** A file of weights, or a folder with one; of `tfjs-model` also the address of its `model.json`. */
  weights?: string;
  /** Of `tfjs-model`: the layer, or node of a graph, whose output is taken. */
  layer?: string;
};

/** The encoders that take weights. */
const NAMES = ['mobilenet-v2', ...PUBLISHED_NAMES, 'tfjs-model'];

/** The options of `tfjs-model` beside its weights. */
const MODEL_OPTIONS = ['layer', 'imageSize', 'preprocessing'] as const;

/**
 * An encoder with its weights.
 *
 * - `mobilenet-v2` and `efficientnet-lite0`: weights of layers `l00.weight`, `l00.bias`, ..., as converted from TensorFlow Lite
 * - `resnet50` and the other names of `PUBLISHED_NAMES`: weights of torchvision, timm, transformers or Keras, in safetensors, as
 *   PyTorch saves them, or `.h5`
 * - `tfjs-model`: any TensorFlow.js model of pictures, layers or graph, its `model.json` in a folder or at an address
 * - the folder of a captioner, whose encoder is taken
 *
 * @param options - beside `weights`, which stage or layer gives the features and the like; not for `mobilenet-v2` and captioners
 * @throws DataError that names what is missing or does not fit; UsageError for an option that the encoder does not take
 */
export async function loadEncoder(
  nameOrFolder: string,
  { weights, ...options }: LoadEncoderOptions = {},
): Promise<Encoder> {
  const published = PUBLISHED_NAMES.includes(nameOrFolder);
  const refused = Object.keys(options).filter((name) => !takes(nameOrFolder, name));
  if (refused.length > 0) throw new UsageError(`'${nameOrFolder}' takes no ${refused.join(', ')}; leave that out.`);
  if (NAMES.includes(nameOrFolder)) {
    if (!weights)
      throw new UsageError(
        `loadEncoder('${nameOrFolder}') needs { weights: FOLDER }, a folder with model.safetensors. To take the encoder of a captioner, give its folder instead of a name.`,
      );
    if (nameOrFolder === 'tfjs-model') return tfjsModelEncoder(await modelAt(weights), options);
    if (!published) return mobileNetV2Of(weights);
    const [folder, file] = await locate(weights);
    return publishedEncoder(nameOrFolder, await openWeights(directory(folder), file ? { file } : {}), options);
  }
  if (weights)
    throw new UsageError(`'${nameOrFolder}' is no encoder that takes weights; those that do are ${NAMES.join(', ')}.`);
  const store = directory(nameOrFolder);
  if (!(await stat(join(nameOrFolder, 'config.json')).catch(() => undefined)))
    throw new DataError(
      `'${nameOrFolder}' is neither an encoder's name (${NAMES.join(', ')}) nor the folder of a captioner (it has no config.json).`,
    );
  const config = await readJSON(store, 'config.json', configSchema);
  const stored = await readTensors(store, 'model.safetensors');
  const encoder = createEncoder(config.encoder);
  try {
    const own = new Map([...stored].filter(([name]) => name.startsWith('encoder.')));
    assignStored(parametersOf(encoder.params, 'encoder'), own, `model.safetensors in ${store.location}`);
    return encoder;
  } catch (error) {
    encoder.dispose();
    throw error;
  }
}

function takes(encoder: string, option: string): boolean {
  if (encoder === 'tfjs-model') return (MODEL_OPTIONS as readonly string[]).includes(option);
  return PUBLISHED_NAMES.includes(encoder) && option !== 'layer';
}

/** A TensorFlow.js model in a folder, or at the address of its `model.json` or of the folder that it is in. */
async function modelAt(weights: string): Promise<tf.io.ModelArtifacts> {
  if (/^https?:/.test(weights)) {
    const url = new URL(weights);
    const [, folder = '', file = ''] = /^(.*\/)?([^/]*)$/.exec(url.pathname)!;
    if (!file.endsWith('.json')) return readTfjsModel(httpStore(url));
    url.pathname = folder;
    return readTfjsModel(httpStore(url), file);
  }
  const [folder, file] = await locate(weights);
  return readTfjsModel(directory(folder), file);
}

/** The folder that weights lie in, and the file where one was named. */
async function locate(path: string): Promise<[folder: string, file: string | undefined]> {
  const status = await stat(path).catch(() => undefined);
  if (!status)
    throw new DataError(`There are no weights at ${path}. Give a folder with model.safetensors, or such a file.`);
  return status.isDirectory() ? [path, undefined] : [join(path, '..'), path.split(/[\\/]/).at(-1)!];
}

async function mobileNetV2Of(path: string): Promise<Encoder> {
  const [folder, file = 'model.safetensors'] = await locate(path);
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
