import * as tf from '@tensorflow/tfjs';
import { DataError, UsageError } from '../core/errors';
import type { TfjsNetwork, TfjsTopology } from './tfjsModel';

/** A Keras model: `model` is its configuration as TensorFlow.js writes it, up to the layer that is taken. */
export class LayersNetwork implements TfjsNetwork {
  readonly params: Record<string, tf.Tensor>;
  private readonly model: tf.LayersModel;

  constructor(topology: TfjsTopology) {
    this.model = build(topology.model as tf.serialization.ConfigDict);
    this.params = Object.fromEntries(this.model.weights.map((weight) => [weight.originalName, weight.read()]));
  }

  run(pixels: tf.Tensor4D): tf.Tensor {
    return this.model.apply(pixels, { training: false }) as tf.Tensor;
  }

  dispose(): void {
    this.model.dispose();
  }
}

/** The model up to a layer, its weights, which belong to the caller, and the size of the pictures where it says one. */
export async function layersTopology(artifacts: tf.io.ModelArtifacts, layer: string | undefined) {
  const whole = await loadWhole(artifacts);
  try {
    const [input, ...others] = whole.inputs;
    if (!input || others.length > 0 || input.shape.length !== 4 || input.shape[3] !== 3)
      throw new DataError(
        `The model reads ${whole.inputs.map(({ shape }) => `[${shape}]`).join(' and ')}, but an encoder reads one batch of pictures, [batch, height, width, 3].`,
      );
    const found = layer === undefined ? undefined : whole.layers.find(({ name }) => name === layer);
    if (layer !== undefined && !found)
      throw new UsageError(
        `The model has no layer '${layer}'. Its layers are ${whole.layers.map(({ name }) => name).join(', ')}.`,
      );
    const output = found ? (found.output as tf.SymbolicTensor) : whole.outputs[0]!;
    const cut = tf.model({ inputs: input, outputs: output });
    const weights = new Map(cut.weights.map((weight) => [weight.originalName, tf.clone(weight.read())]));
    const [, height, width] = input.shape;
    const topology: TfjsTopology = {
      format: 'layers',
      output: layer ?? output.name,
      model: JSON.parse(JSON.stringify(cut.getConfig())),
    };
    return { topology, weights, inputSize: height && width ? ([height, width] as const) : undefined };
  } finally {
    whole.dispose();
  }
}

async function loadWhole(artifacts: tf.io.ModelArtifacts): Promise<tf.LayersModel> {
  try {
    return await tf.loadLayersModel(tf.io.fromMemory(artifacts));
  } catch (cause) {
    throw new DataError(`This is no model that TensorFlow.js can build: ${(cause as Error).message}`, { cause });
  }
}

type Buildable = tf.serialization.SerializableConstructor<tf.LayersModel>;

function build(config: tf.serialization.ConfigDict): tf.LayersModel {
  try {
    return tf.LayersModel.fromConfig(tf.LayersModel as unknown as Buildable, config);
  } catch (cause) {
    throw new DataError(`The encoder's model cannot be built as it is described: ${(cause as Error).message}`, {
      cause,
    });
  }
}
