import * as tf from '@tensorflow/tfjs';
import { UsageError } from '../core/errors';
import { adaptiveAverage } from './pooling';

/** How maps of features become one. */
export const JOINS = ['features', 'positions'] as const;

/**
 * `features`: on the grid of the finest map, the numbers of all of them at every position; coarser ones are repeated there.
 * `positions`: the positions of all maps, the finest last; every map has numbers of its own, and zeros in place of the others'.
 */
export type Join = (typeof JOINS)[number];

export type MapSize = { grid: readonly [rows: number, columns: number]; leading?: number; featureSize: number };

/** A map that is joined: features [batch, positions, featureSize], and their grid. */
const areaOf = ({ grid: [rows, columns] }: MapSize) => rows * columns;

/** Grid, leading positions and size of the joined features. */
export function joinedSize(maps: readonly MapSize[], join: Join) {
  if (maps.length < 2)
    throw new UsageError(`There should be two maps of features to join or more, not ${maps.length}.`);
  const featureSize = maps.reduce((sum, map) => sum + map.featureSize, 0);
  const { grid } = finestOf(maps);
  if (join === 'positions') {
    const positions = maps.reduce((sum, map) => sum + (map.leading ?? 0) + areaOf(map), 0);
    return { grid, leading: positions - grid[0] * grid[1], featureSize };
  }
  if (maps.some(({ leading = 0 }) => leading > 0))
    throw new UsageError("Features with positions beside their grid cannot be laid over others: join: 'positions'.");
  return { grid, leading: 0, featureSize };
}

/** The finest map, the last one of several. */
const finestOf = (maps: readonly MapSize[]): MapSize =>
  maps.reduce((finest, map) => (areaOf(map) >= areaOf(finest) ? map : finest));

/** features [batch, positions, featureSize] of every map -> those of all. */
export function joinMaps(features: readonly tf.Tensor3D[], maps: readonly MapSize[], join: Join): tf.Tensor3D {
  const finest = finestOf(maps);
  const batch = features[0]!.shape[0];
  if (join === 'features') {
    const [rows, columns] = finest.grid;
    const laid = features.map((x, i) => {
      const { grid, featureSize } = maps[i]!;
      const map = adaptiveAverage(tf.reshape(x, [batch, ...grid, featureSize]), finest.grid);
      return tf.reshape<tf.Rank.R3>(map, [batch, rows * columns, featureSize]);
    });
    return tf.concat(laid, 2);
  }
  const total = maps.reduce((sum, map) => sum + map.featureSize, 0);
  const wide = features.map((x, i) => {
    const before = maps.slice(0, i).reduce((sum, map) => sum + map.featureSize, 0);
    const after = total - before - maps[i]!.featureSize;
    return tf.pad(x, [
      [0, 0],
      [0, 0],
      [before, after],
    ]);
  });
  const last = maps.indexOf(finest);
  const ordered = [...wide.filter((_, i) => i !== last), wide[last]!];
  return tf.concat(ordered, 1);
}
