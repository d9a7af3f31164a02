import * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import { DataError, UsageError } from '../core/errors';
import { whole } from '../core/schema';
import { expectPixels } from './expectPixels';
import { GraphNetwork, graphTopology } from './graphModel';
import { symmetricPreprocessing } from './imageNet';
import { LayersNetwork, layersTopology } from './layersModel';
import { storedPreprocessing } from './storedPreprocessing';
import type { Encoder, Preprocessing } from './types';

/** A model that is cut off after one of its outputs: all that is needed to build it again, but for its weights. */
export type TfjsTopology = { format: 'layers' | 'graph'; output: string; [part: string]: unknown };

/** A topology with weights, which are variables by name and belong to it. */
export interface TfjsNetwork {
  readonly params: Record<string, tf.Tensor>;
  /** pixels [batch, height, width, 3] -> [batch, rows, columns, size], [batch, positions, size] or [batch, size] */
  run(pixels: tf.Tensor4D): tf.Tensor;
  /** Frees the weights too. */
  dispose(): void;
}

export type TfjsModelConfig = {
  type: 'tfjs-model';
  topology: TfjsTopology;
  grid: [rows: number, columns: number];
  featureSize: number;
  preprocessing: Preprocessing;
};

export const storedTfjsModel = v.object({
  type: v.literal('tfjs-model'),
  topology: v.looseObject({ format: v.picklist(['layers', 'graph']), output: v.string() }),
  grid: v.tuple([whole, whole]),
  featureSize: whole,
  preprocessing: storedPreprocessing,
});

export type TfjsModelOptions = {
  /** The layer, or the node of a graph model, whose output is taken. Default: the model's own output. */
  layer?: string;
  /** Height and width of the pictures, where the model does not say. */
  imageSize?: readonly [height: number, width: number];
  /** How pictures become pixels. Default: squashed to the size, from -1 to 1, as Keras's MobileNets want them. */
  preprocessing?: Partial<Preprocessing>;
};

/**
 * Any TensorFlow.js model of pictures as an encoder, at any of its layers: a map of features is a grid, a vector a grid of one
 * position. A checkpoint keeps the model up to that layer, so that a captioner loads without it.
 *
 * Layers models can be trained on; batch norms keep their statistics. Graph models stay as they are: they do not tell weights from
 * statistics.
 */
export class TfjsModelEncoder implements Encoder {
  readonly params: Record<string, tf.Tensor>;
  readonly grid: readonly [number, number];
  readonly featureSize: number;
  readonly preprocessing: Preprocessing;
  private readonly network: TfjsNetwork;

  /** From a checkpoint's configuration, with weights still to be assigned; `tfjsModelEncoder` makes one from a model. */
  constructor(readonly config: TfjsModelConfig) {
    this.network = networkOf(config.topology);
    this.params = this.network.params;
    this.grid = config.grid;
    this.featureSize = config.featureSize;
    this.preprocessing = config.preprocessing;
  }

  encode(pixels: tf.Tensor4D): tf.Tensor3D {
    expectPixels(pixels, this.preprocessing);
    const [rows, columns] = this.grid;
    return tf.reshape(this.network.run(pixels), [pixels.shape[0], rows * columns, this.featureSize]);
  }

  dispose(): void {
    this.network.dispose();
  }
}

function networkOf(topology: TfjsTopology): TfjsNetwork {
  return topology.format === 'layers' ? new LayersNetwork(topology) : new GraphNetwork(topology);
}

/**
 * A TensorFlow.js model as an encoder.
 *
 * @param artifacts - as `readTfjsModel` reads them, or `tf.io` handlers load them
 * @throws UsageError for a layer that the model does not have, with those that it has; DataError for what is no model of pictures
 */
export async function tfjsModelEncoder(
  artifacts: tf.io.ModelArtifacts,
  options: TfjsModelOptions = {},
): Promise<TfjsModelEncoder> {
  const isGraph = Array.isArray((artifacts.modelTopology as { node?: unknown }).node);
  const { topology, weights, inputSize } = isGraph
    ? graphTopology(artifacts, options.layer)
    : await layersTopology(artifacts, options.layer);
  try {
    const size = options.imageSize ?? inputSize;
    if (!size)
      throw new UsageError('The model reads pictures of any size: say which with imageSize, such as [224, 224].');
    const preprocessing: Preprocessing = { ...symmetricPreprocessing(size), ...options.preprocessing };
    const { grid, featureSize } = tf.tidy(() => shapeOf(topology, preprocessing, weights));
    const encoder = new TfjsModelEncoder({ type: 'tfjs-model', topology, grid, featureSize, preprocessing });
    assign(encoder.params, weights);
    return encoder;
  } finally {
    tf.dispose([...weights.values()]);
  }
}

function assign(params: Record<string, tf.Tensor>, weights: ReadonlyMap<string, tf.Tensor>): void {
  for (const [name, value] of weights) (params[name] as tf.Variable | undefined)?.assign(value);
}

/** What comes out for a black picture. */
function shapeOf(topology: TfjsTopology, { size }: Preprocessing, weights: ReadonlyMap<string, tf.Tensor>) {
  const network = networkOf(topology);
  try {
    assign(network.params, weights);
    const [, ...sides] = network.run(tf.zeros([1, ...size, 3])).shape;
    const featureSize = sides.at(-1);
    const [rows, columns] = sides.length === 3 ? sides : sides.length === 2 ? [1, sides[0]] : [1, 1];
    if (!featureSize || !rows || !columns || sides.length > 3)
      throw new DataError(
        `The output '${topology.output}' has shape [batch, ${sides}], but features are [batch, rows, columns, size], [batch, positions, size] or [batch, size]. Take another layer.`,
      );
    return { grid: [rows, columns] as [number, number], featureSize };
  } finally {
    network.dispose();
  }
}
