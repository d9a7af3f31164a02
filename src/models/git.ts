import * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import { multiHeadSpec } from '../attention/multiHead';
import { activation } from '../core/activations';
import { dense } from '../core/dense';
import { embed } from '../core/embedding';
import { UsageError } from '../core/errors';
import { layerNorm } from '../core/layerNorm';
import { embeddingSpec, layerNormSpec, linearSpec } from '../core/layerSpecs';
import { Random } from '../core/random';
import { readConfig, whole } from '../core/schema';
import {
  createParams,
  loadParams,
  type ParameterSpec,
  type ParamsOf,
  stateDict,
  type WeightSource,
} from '../core/spec';
import { disposeTree } from '../core/tree';
import type { Preprocessing } from '../encoders/types';
import { VisionEncoder } from '../encoders/visionEncoder';
import { isPositionIds, type VisionTowerConfig, visionTowerSpec } from '../encoders/visionTower';
import { readVisionConfig } from '../encoders/visionTowerConfig';
import { PrefixDecoder, type PrefixParts } from './prefixDecoder';

export type GitConfig = {
  vision: VisionTowerConfig;
  vocabSize: number;
  hiddenSize: number;
  numLayers: number;
  numHeads: number;
  innerSize: number;
  /** Most words that positions were learned for. */
  maxPositions: number;
  /** As transformers names it. */
  activation: string;
  epsilon: number;
  /** Frames of a video that have embeddings of their own; 0 for models of single pictures. */
  frames: number;
  /** Whether the output layer is the table of the embedding. */
  tied: boolean;
};

const schema = v.object({
  model_type: v.optional(v.literal('git'), 'git'),
  vision_config: v.optional(v.record(v.string(), v.unknown()), {}),
  vocab_size: v.optional(whole, 30522),
  hidden_size: v.optional(whole, 768),
  num_hidden_layers: v.optional(whole, 6),
  num_attention_heads: v.optional(whole, 12),
  intermediate_size: v.optional(whole, 3072),
  hidden_act: v.optional(v.string(), 'gelu'),
  max_position_embeddings: v.optional(whole, 1024),
  layer_norm_eps: v.optional(v.number(), 1e-12),
  position_embedding_type: v.optional(v.literal('absolute'), 'absolute'),
  num_image_with_embedding: v.nullish(whole),
  tie_word_embeddings: v.optional(v.boolean(), false),
});

/**
 * Reads the `config.json` of transformers' `GitForCausalLM`.
 *
 * @throws DataError for settings that are not supported
 */
export function readGitConfig(json: unknown): GitConfig {
  const config = readConfig(schema, json, 'configuration of GIT');
  return {
    vision: readVisionConfig('git', config.vision_config),
    vocabSize: config.vocab_size,
    hiddenSize: config.hidden_size,
    numLayers: config.num_hidden_layers,
    numHeads: config.num_attention_heads,
    innerSize: config.intermediate_size,
    maxPositions: config.max_position_embeddings,
    activation: config.hidden_act,
    epsilon: config.layer_norm_eps,
    frames: config.num_image_with_embedding ?? 0,
    tied: config.tie_word_embeddings,
  };
}

export function gitSpec(config: GitConfig) {
  const { vision, vocabSize, hiddenSize, numLayers, innerSize, maxPositions, frames, tied } = config;
  const drawn = { deviation: 0.02 };
  const bias: ParameterSpec<tf.Tensor1D> = {
    key: 'output.bias',
    shape: [vocabSize],
    layout: 'same',
    init: (shape) => tf.zeros(shape),
  };
  return {
    vision: visionTowerSpec(vision, 'git.image_encoder.vision_model'),
    projection: linearSpec('git.visual_projection.visual_projection.0', vision.size, hiddenSize, drawn),
    projectionNorm: layerNormSpec('git.visual_projection.visual_projection.1', hiddenSize),
    frames: Array.from(
      { length: frames },
      (_, frame): ParameterSpec<tf.Tensor3D> => ({
        key: `git.img_temporal_embedding.${frame}`,
        aliases: [`git.img_temperal_embedding.${frame}`], // so misspelt in most files
        shape: [1, 1, vision.size],
        layout: 'same',
        init: (shape) => tf.zeros(shape),
      }),
    ),
    words: embeddingSpec('git.embeddings.word_embeddings', vocabSize, hiddenSize, {
      ...drawn,
      ...(tied && { aliases: ['output'] }),
    }),
    places: embeddingSpec('git.embeddings.position_embeddings', maxPositions, hiddenSize, drawn),
    norm: layerNormSpec('git.embeddings.LayerNorm', hiddenSize),
    layers: Array.from({ length: numLayers }, (_, layer) => {
      const at = `git.encoder.layer.${layer}`;
      const own = `${at}.attention.self`;
      const names = { query: `${own}.query`, key: `${own}.key`, value: `${own}.value` };
      return {
        attention: multiHeadSpec(
          { ...names, output: `${at}.attention.output.dense` },
          { querySize: hiddenSize, ...drawn },
        ),
        attentionNorm: layerNormSpec(`${at}.attention.output.LayerNorm`, hiddenSize),
        up: linearSpec(`${at}.intermediate.dense`, hiddenSize, innerSize, drawn),
        down: linearSpec(`${at}.output.dense`, innerSize, hiddenSize, drawn),
        feedForwardNorm: layerNormSpec(`${at}.output.LayerNorm`, hiddenSize),
      };
    }),
    table: tied ? undefined : embeddingSpec('output', vocabSize, hiddenSize, drawn),
    bias,
  };
}

export type GitParams = ParamsOf<ReturnType<typeof gitSpec>>;

/**
 * GIT: the patches of a picture, or of several frames, stand before the words of a caption in one transformer. They see
 * each other; words see them and the words before.
 *
 * @see Wang et al. 2022, https://arxiv.org/abs/2205.14100; as transformers has it
 */
export class Git {
  readonly encoder: VisionEncoder;
  readonly decoder: PrefixDecoder;

  /** @param params - by default drawn from `random`; they belong to the model from here on */
  constructor(
    readonly config: GitConfig,
    random: Random,
    readonly params: GitParams = createParams(gitSpec(config), random),
    preprocessing?: Preprocessing,
  ) {
    const tower = { ...config.vision, type: 'vision-tower' as const, normed: true };
    this.encoder = new VisionEncoder(tower, random, params.vision, preprocessing);
    this.decoder = new PrefixDecoder(gitParts(params, config));
  }

  /** @throws DataError with everything in the file that is missing, unexpected or of another shape */
  static async load(config: GitConfig, source: WeightSource, preprocessing?: Preprocessing): Promise<Git> {
    const random = new Random(0);
    const rename = (name: string) => (isPositionIds(name) ? undefined : name);
    return new Git(config, random, await loadParams(gitSpec(config), source, random, { rename }), preprocessing);
  }

  /**
   * Features [videos, frames * tokens, size] of videos, one frame after the other.
   *
   * @param pixels - [videos, frames, height, width, 3]
   * @throws UsageError for more frames than the model has embeddings for
   */
  seeFrames(pixels: tf.Tensor5D): tf.Tensor3D {
    const [videos, frames, height, width, channels] = pixels.shape;
    if (frames > this.params.frames.length)
      throw new UsageError(
        `There are ${frames} frames but this model tells ${this.params.frames.length} apart. Take fewer, or a model of videos.`,
      );
    const seen = this.encoder.see(tf.reshape(pixels, [videos * frames, height, width, channels]));
    const [, tokens, size] = seen.shape;
    const apart = tf.reshape<tf.Rank.R4>(seen, [videos, frames, tokens, size]);
    const marks = tf.expandDims(tf.concat(this.params.frames.slice(0, frames), 1), 2); // [1, frames, 1, size]
    return tf.reshape(tf.add(apart, marks), [videos, frames * tokens, size]);
  }

  /** The parameters as PyTorch has them; the tensors belong to the caller. */
  stateDict(): Generator<[key: string, value: tf.Tensor]> {
    return stateDict(gitSpec(this.config), this.params);
  }

  dispose(): void {
    disposeTree(this.params);
  }
}

function gitParts(params: GitParams, config: GitConfig): PrefixParts {
  const { numHeads, epsilon } = config;
  const activate = activation(config.activation);
  const { vision: _, ...own } = params; // that is the encoder's
  return {
    params: own,
    layers: params.layers,
    layer: () => ({ numHeads, norm: 'post', epsilon, activate }),
    prefix: (features) => layerNorm(params.projectionNorm, dense(params.projection, features), config.vision.epsilon),
    maxPositions: config.maxPositions,
    causalPrefix: false,
    prefixHasPlaces: false,
    embed: (tokens, places) =>
      layerNorm(params.norm, tf.add(embed(params.words, tokens), embed(params.places, places)), epsilon),
    output: { table: params.table ?? params.words, bias: params.bias },
  };
}
