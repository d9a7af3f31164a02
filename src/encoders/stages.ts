import * as tf from '@tensorflow/tfjs';
import { expectOneOf, UsageError } from '../core/errors';
import type { Tree } from '../core/tree';
import type { ConvNetwork } from './convNetwork';
import { expectPixels } from './expectPixels';
import { JOINS, type Join, joinedSize, joinMaps, type MapSize } from './joinMaps';
import type { Encoder, Preprocessing } from './types';

/** A network that gives the features of its stages, such as `publishedEncoder` makes. */
export type StagedNetwork = Encoder & Pick<ConvNetwork, 'architecture' | 'stages'>;

export type StagesConfig = { type: 'stages'; join: Join; stages: number[]; network: Encoder['config'] };

/**
 * Several stages of one network, and so grids of several resolutions: it runs once.
 *
 * @see `Join` for what becomes of their features
 */
export class Stages implements Encoder {
  readonly config: StagesConfig;
  readonly preprocessing: Preprocessing;
  readonly grid: readonly [number, number];
  readonly leading: number;
  readonly featureSize: number;
  readonly params: Tree;
  private readonly maps: readonly MapSize[];

  /**
   * @param network - belongs to this encoder from here on
   * @param stages - counted from 0; the network's own last one at most
   */
  constructor(
    readonly network: StagedNetwork,
    readonly stages: readonly number[],
    readonly join: Join = 'features',
  ) {
    expectOneOf('join', join, JOINS);
    const { config, channels, sides, preprocessing } = network.architecture;
    const last = config.stage ?? channels.length - 1;
    const beyond = stages.find((stage) => !(Number.isInteger(stage) && stage >= 0 && stage <= last));
    if (beyond !== undefined)
      throw new UsageError(`stage ${beyond} is none of the network's, which has been loaded with stages 0 to ${last}.`);
    const [rows, columns] = config.imageSize.map((side) => sides(side)) as [number[], number[]];
    this.maps = stages.map((stage) => ({
      grid: [rows[stage]!, columns[stage]!],
      featureSize: channels[stage]!,
    }));
    const { grid, leading, featureSize } = joinedSize(this.maps, join);
    this.grid = grid;
    this.leading = leading;
    this.featureSize = featureSize;
    this.preprocessing = config.preprocessing ?? preprocessing;
    this.params = network.params;
    this.config = { type: 'stages', join, stages: [...stages], network: network.config };
  }

  encode(pixels: tf.Tensor4D): tf.Tensor3D {
    expectPixels(pixels, this.preprocessing);
    const all = this.network.stages(pixels);
    const features = this.stages.map((stage, i) => {
      const { grid, featureSize } = this.maps[i]!;
      return tf.reshape<tf.Rank.R3>(all[stage]!, [pixels.shape[0], grid[0] * grid[1], featureSize]);
    });
    return joinMaps(features, this.maps, this.join);
  }

  dispose(): void {
    this.network.dispose();
  }
}
