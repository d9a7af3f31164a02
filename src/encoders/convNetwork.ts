import * as tf from '@tensorflow/tfjs';
import { UsageError } from '../core/errors';
import { Random } from '../core/random';
import {
  createParams,
  loadParams,
  type ParamsOf,
  type SpecTree,
  specLeaves,
  stateDict,
  type WeightSource,
} from '../core/spec';
import { disposeTree, type Tree } from '../core/tree';
import { isBatchCount, type Observe, trackWith } from './batchNorm';
import { expectPixels } from './expectPixels';
import { adaptiveAverage, globalAverage } from './pooling';
import type { DividedEncoder, Encoder, Preprocessing } from './types';

/** What all convolutional networks can be told. */
export type ConvNetworkOptions = {
  /** Height and width of the pictures in pixels. */
  imageSize: readonly [height: number, width: number];
  /**
   * `frozen` (default): batch norms stay as they are. `trained`: their weights are trained, and with `training` they
   * normalise by the batch and track its statistics.
   */
  batchNorm?: 'frozen' | 'trained';
  /** The stage, counted from 0, whose features are taken; the last by default. What follows is neither loaded nor run. */
  stage?: number;
  /** Features are averaged to these rows and columns. */
  pooledGrid?: readonly [rows: number, columns: number];
  /** How pictures become pixels, where not as the network's makers do. */
  preprocessing?: Preprocessing;
};

/** What tells one convolutional network from another. */
export type Architecture<Spec extends SpecTree = SpecTree> = {
  config: ConvNetworkOptions & { readonly type: string };
  /** Parameters of everything up to the stage that is taken. */
  spec: Spec;
  /** The same network up to an earlier stage, and those of its parameters; absent where it cannot be cut. */
  upTo?(params: ParamsOf<Spec>, stage: number): { architecture: Architecture<Spec>; params: ParamsOf<Spec> };
  /** As `stages`, of what follows a stage, from its features [batch, rows, columns, channels]. */
  following?(params: ParamsOf<Spec>, stage: number, map: tf.Tensor4D): tf.Tensor4D[];
  /** Features after each stage up to the one that is taken, [batch, rows, columns, channels]. */
  stages(params: ParamsOf<Spec>, pixels: tf.Tensor4D, observe: Observe | undefined): tf.Tensor4D[];
  /** Channels after each stage. */
  channels: readonly number[];
  /** Rows or columns after each stage, of a side of so many pixels. */
  sides(pixels: number): number[];
  /** PyTorch's momentum of running statistics. */
  momentum: number;
  preprocessing: Preprocessing;
  /**
   * Given all names of a file, the key that each stands for; undefined for what files have beyond what is used, such as
   * classifiers.
   */
  renaming(names: readonly string[]): (name: string) => string | undefined;
};

/** A convolutional network as an encoder: the grid of any stage, or the average over it. */
export class ConvNetwork<Spec extends SpecTree = SpecTree> implements Encoder {
  readonly config: Architecture['config'] & { readonly [name: string]: unknown };
  readonly grid: readonly [number, number];
  readonly featureSize: number;
  readonly preprocessing: Preprocessing;
  readonly params: ParamsOf<Spec> & Tree;

  /** @param params - by default drawn from `random`; they belong to the encoder from here on */
  constructor(
    readonly architecture: Architecture<Spec>,
    random: Random,
    params: ParamsOf<Spec> = createParams(architecture.spec, random),
  ) {
    const { config, channels, sides, preprocessing } = architecture;
    const { stage = channels.length - 1, imageSize, pooledGrid } = config;
    if (channels[stage] === undefined)
      throw new RangeError(`stage is ${stage} but ${config.type} has stages 0 to ${channels.length - 1}.`);
    this.config = config;
    this.params = params as ParamsOf<Spec> & Tree;
    this.grid = pooledGrid ?? [sides(imageSize[0])[stage]!, sides(imageSize[1])[stage]!];
    this.featureSize = channels[stage];
    this.preprocessing = config.preprocessing ?? preprocessing;
  }

  /**
   * @throws DataError with everything in the file that is missing, unexpected or of another shape. A classifier, and what
   * follows the stage that is taken, are passed over.
   */
  static async load<Spec extends SpecTree>(
    architecture: Architecture<Spec>,
    source: WeightSource,
    random = new Random(0),
  ): Promise<ConvNetwork<Spec>> {
    const renamed = architecture.renaming([...source.tensors.keys()]);
    const rename = (name: string) => (isBatchCount(name) ? undefined : renamed(name));
    return new ConvNetwork(architecture, random, await loadParams(architecture.spec, source, random, { rename }));
  }

  /** Features of every stage up to the one that is taken, [batch, rows, columns, channels]. */
  stages(pixels: tf.Tensor4D, { training = false }: { training?: boolean } = {}): tf.Tensor4D[] {
    const { config, momentum, stages } = this.architecture;
    const observe = training && config.batchNorm === 'trained' ? trackWith(momentum) : undefined;
    return stages(this.params, pixels, observe);
  }

  encode(pixels: tf.Tensor4D, options: { training?: boolean } = {}): tf.Tensor3D {
    expectPixels(pixels, this.preprocessing);
    return this.gridOf(this.stages(pixels, options).at(-1)!);
  }

  private gridOf(map: tf.Tensor4D): tf.Tensor3D {
    const [rows, columns] = this.grid;
    return tf.reshape(adaptiveAverage(map, this.grid), [map.shape[0], rows * columns, this.featureSize]);
  }

  /** @throws UsageError for a network that cannot be cut, or a stage that has none after it */
  divide(stage: number): DividedEncoder {
    const { architecture, params, config } = this;
    const { upTo, following, channels, sides } = architecture;
    if (!upTo || !following)
      throw new UsageError(
        `${config.type} cannot be divided. MobileNet and EfficientNet can, loaded as published ones.`,
      );
    const last = config.stage ?? channels.length - 1;
    if (!(Number.isInteger(stage) && stage >= 0 && stage < last))
      throw new UsageError(`${config.type} cannot be divided after stage ${stage}: give 0 to ${last - 1}.`);
    const part = upTo(params as ParamsOf<Spec>, stage);
    const before = new ConvNetwork(part.architecture, new Random(0), part.params);
    const [height, width] = config.imageSize.map((side) => sides(side)[stage]!) as [number, number];
    return {
      before,
      after: (features) => {
        const map = tf.reshape<tf.Rank.R4>(features, [features.shape[0], height, width, before.featureSize]);
        return this.gridOf(following(params as ParamsOf<Spec>, stage, map).at(-1)!);
      },
    };
  }

  /** The average over all positions, [batch, featureSize]. */
  pooled(pixels: tf.Tensor4D, options: { training?: boolean } = {}): tf.Tensor2D {
    return globalAverage(this.stages(pixels, options).at(-1)!);
  }

  /** The parameters as PyTorch has them; the tensors belong to the caller. */
  stateDict(): Generator<[key: string, value: tf.Tensor]> {
    return stateDict(this.architecture.spec, this.params);
  }

  dispose(): void {
    disposeTree(this.params);
  }
}

/** Whether a batch norm's weights are left alone. */
export const isFrozen = ({ batchNorm = 'frozen' }: ConvNetworkOptions) => batchNorm === 'frozen';

/** Passes over what the whole network has and the part that is used has not, and all names that `beyond` fits. */
export function passingOver(used: SpecTree, whole: SpecTree, beyond: RegExp): (name: string) => string | undefined {
  const keys = (spec: SpecTree) => new Set([...specLeaves(spec).values()].map(({ key }) => key));
  const [wanted, known] = [keys(used), keys(whole)];
  return (name) => (!wanted.has(name) && (known.has(name) || beyond.test(name)) ? undefined : name);
}
