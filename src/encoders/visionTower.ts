import * as tf from '@tensorflow/tfjs';
import { layerOutput, type TransformerLayerConfig } from '../attention/transformerLayer';
import { activation } from '../core/activations';
import type { Dropout } from '../core/dropout';
import { layerNorm } from '../core/layerNorm';
import { layerNormSpec, tableSpec } from '../core/layerSpecs';
import type { ParamsOf } from '../core/spec';
import { clipLayerSpec } from './clipLayers';
import { embedPatches, type Grid, patchGrid, patchSpec } from './patches';
import { resizePositions } from './positions';

/** The tower that CLIP, SigLIP, GIT and BLIP-2 look at pictures with. */
export type VisionTowerConfig = {
  size: number;
  innerSize: number;
  numLayers: number;
  numHeads: number;
  /** Pixels of the pictures that it was trained on: its positions are theirs. */
  imageSize: Grid;
  patchSize: Grid;
  activation: string;
  epsilon: number;
  /** `clip`: a class token, patches without bias, a norm before the layers. `siglip`: none of these. `blip`: a class token. */
  kind: 'clip' | 'siglip' | 'blip';
  /** Of `blip` alone: whether query, key and value have biases. */
  attentionBias?: boolean;
};

export type VisionTowerParams = ParamsOf<ReturnType<typeof visionTowerSpec>>;

/** @param prefix - of the names, such as `vision_model` */
export function visionTowerSpec(config: VisionTowerConfig, prefix: string) {
  const { size, innerSize, numLayers, imageSize, patchSize, kind, attentionBias = true } = config;
  const [rows, columns] = patchGrid(imageSize, patchSize);
  const [leading, at] = [leadingTokens(config), `${prefix}.embeddings`];
  const count = rows * columns + leading;
  return {
    classToken: {
      clip: () => tableSpec<tf.Rank>(`${at}.class_embedding`, [size]),
      blip: () => tableSpec<tf.Rank>(`${at}.class_embedding`, [1, 1, size]),
      siglip: () => undefined,
    }[kind](),
    patches: patchSpec(`${at}.patch_embedding`, patchSize, 3, size, { bias: kind !== 'clip' }),
    positions:
      kind === 'blip'
        ? tableSpec<tf.Rank>(`${at}.position_embedding`, [1, count, size])
        : tableSpec<tf.Rank>(`${at}.position_embedding.weight`, [count, size]),
    // The name is misspelt in the files.
    before: kind === 'clip' ? layerNormSpec(`${prefix}.pre_layrnorm`, size) : undefined,
    layers: Array.from({ length: numLayers }, (_, layer) =>
      clipLayerSpec(`${prefix}.encoder.layers.${layer}`, { size, innerSize, fused: kind === 'blip', attentionBias }),
    ),
    after: layerNormSpec(`${prefix}.post_layernorm`, size),
  };
}

/** Tokens before those of the patches. */
export const leadingTokens = ({ kind }: VisionTowerConfig) => (kind === 'siglip' ? 0 : 1);

/** What a file may hold beside parameters. */
export const isPositionIds = (name: string) => name.endsWith('.position_ids');

/**
 * Pictures through the tower. Pictures of another size than it was trained on get interpolated positions.
 *
 * @param pixels - [batch, height, width, 3]
 * @returns what enters the layers and what each gives, [batch, tokens, size]; a class token, where there is one, comes first
 */
export function visionTower(
  params: VisionTowerParams,
  config: VisionTowerConfig,
  pixels: tf.Tensor4D,
  drop?: Dropout,
): tf.Tensor3D[] {
  const { size, numHeads, epsilon } = config;
  const [batch, height, width] = pixels.shape;
  const patches = embedPatches(params.patches, pixels);
  const token = params.classToken && tf.tile(tf.reshape<tf.Rank.R3>(params.classToken, [1, 1, size]), [batch, 1, 1]);
  const tokens = token ? tf.concat([token, patches], 1) : patches;
  const positions = resizePositions(
    tf.reshape(params.positions, [-1, size]),
    patchGrid(config.imageSize, config.patchSize),
    patchGrid([height, width], config.patchSize),
    leadingTokens(config),
  );
  const embedded = tf.add<tf.Tensor3D>(tokens, positions);
  const states = [params.before ? layerNorm(params.before, embedded, epsilon) : embedded];
  const layer: TransformerLayerConfig = { numHeads, norm: 'pre', epsilon, activate: activation(config.activation) };
  for (const [index, each] of params.layers.entries()) {
    const within = drop && { ...drop, random: drop.random.fork(index) };
    states.push(layerOutput(each, states.at(-1)!, layer, { drop: within }));
  }
  return states;
}

/** The norm after the last layer, of any number of tokens. */
export function visionNorm<T extends tf.Tensor>({ after }: VisionTowerParams, { epsilon }: VisionTowerConfig, x: T): T {
  return layerNorm(after, x, epsilon);
}
