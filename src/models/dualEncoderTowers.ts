import * as tf from '@tensorflow/tfjs';
import { attentionBias } from '../attention/attentionBias';
import { maskedSoftmax } from '../attention/mask';
import { splitHeads } from '../attention/multiHead';
import { layerOutput, type TransformerLayerConfig } from '../attention/transformerLayer';
import { activation } from '../core/activations';
import { type DenseParams, dense } from '../core/dense';
import { type Dropout, dropout } from '../core/dropout';
import { embed } from '../core/embedding';
import { layerNorm } from '../core/layerNorm';
import { embeddingSpec, layerNormSpec, linearSpec, tableSpec } from '../core/layerSpecs';
import type { ParameterSpec, ParamsOf } from '../core/spec';
import { clipLayerSpec } from '../encoders/clipLayers';
import { unitLength } from './clip';

export type DualEncoderConfig = {
  /** Of the encoder whose features are read. */
  featureSize: number;
  vocabSize: number;
  /** Of the words, such as that of the word vectors they begin with. */
  embeddingSize: number;
  /** Of positions and words before they are pooled. */
  hiddenSize: number;
  /** Transformer layers over the words; without any, a text is what its words are, in whatever order. */
  textLayers: number;
  /** Of the layers and of the pooling. */
  numHeads: number;
  /** Most tokens of a text, start and end included; what is longer is cut. */
  maxPositions: number;
  /** How positions and words become one vector: by weights that are learned, or by their mean. */
  pooling: 'attention' | 'mean';
  /** Of the space that pictures and texts share. */
  projectionSize: number;
};

const EPSILON = 1e-5;

/** The logarithm of what cosines are multiplied by, 1 / temperature; CLIP begins with a temperature of 0.07. */
export function logitScaleSpec(key: string): ParameterSpec<tf.Scalar> {
  return { ...tableSpec<tf.Rank.R0>(key, []), init: () => tf.scalar(Math.log(1 / 0.07)) };
}

export function dualEncoderSpec(config: DualEncoderConfig) {
  const { featureSize, vocabSize, embeddingSize, hiddenSize, textLayers, numHeads, maxPositions } = config;
  const poolSpec = (key: string) =>
    config.pooling === 'attention' ? linearSpec(key, hiddenSize, numHeads) : undefined;
  return {
    image: {
      project: linearSpec('image.project', featureSize, hiddenSize),
      pool: poolSpec('image.pool'),
      norm: layerNormSpec('image.norm', hiddenSize),
      output: linearSpec('image.output', hiddenSize, config.projectionSize),
    },
    text: {
      words: embeddingSpec('text.words', vocabSize, embeddingSize, { deviation: 1 / Math.sqrt(embeddingSize) }),
      project: linearSpec('text.project', embeddingSize, hiddenSize),
      places: textLayers > 0 ? embeddingSpec('text.places', maxPositions, hiddenSize) : undefined,
      layers: Array.from({ length: textLayers }, (_, layer) =>
        clipLayerSpec(`text.layers.${layer}`, { size: hiddenSize, innerSize: 4 * hiddenSize }),
      ),
      norm: layerNormSpec('text.norm', hiddenSize),
      pool: poolSpec('text.pool'),
      output: linearSpec('text.output', hiddenSize, config.projectionSize),
    },
    logitScale: logitScaleSpec('logit_scale'),
  };
}

export type DualEncoderParams = ParamsOf<ReturnType<typeof dualEncoderSpec>>;

/** features [images, positions, featureSize] -> vectors of length 1 [images, projectionSize] */
export function imageVectors({ image: params }: DualEncoderParams, features: tf.Tensor3D, drop?: Dropout): tf.Tensor2D {
  const seen = activation('gelu')(dense(params.project, features));
  const pooled = layerNorm(params.norm, pool(params.pool, seen), EPSILON);
  return unitLength(dense(params.output, dropout(pooled, drop, 'image')));
}

/**
 * tokens [texts, time] of int32 -> vectors of length 1 [texts, projectionSize]
 *
 * @param keyPaddingMask - [texts, time], 1 = padding
 */
export function textVectors(
  { text: params }: DualEncoderParams,
  { numHeads }: Pick<DualEncoderConfig, 'numHeads'>,
  tokens: tf.Tensor2D,
  keyPaddingMask: tf.Tensor2D,
  drop?: Dropout,
): tf.Tensor2D {
  const [, time] = tokens.shape;
  const words = dropout(embed(params.words, tokens), drop, 'words');
  let x = dense(params.project, words);
  if (params.places) x = tf.add(x, tf.slice(params.places, [0, 0], [time, -1]));
  const bias = attentionBias({ queries: time, keyPaddingMask });
  const layer: TransformerLayerConfig = { numHeads, norm: 'pre', epsilon: EPSILON, activate: activation('gelu') };
  for (const [index, each] of params.layers.entries())
    x = layerOutput(each, x, layer, {
      bias,
      drop: drop && { ...drop, random: drop.random.fork('text').fork(index) },
    });
  const pooled = pool(params.pool, layerNorm(params.norm, x, EPSILON), keyPaddingMask);
  return unitLength(dense(params.output, dropout(pooled, drop, 'text')));
}

/**
 * The weighted mean over positions, each head with weights and a part of the values of its own; the plain mean without `params`.
 *
 * @param x - [rows, positions, size]
 * @returns [rows, size]
 * @see Lin et al. 2017, https://arxiv.org/abs/1703.03130, section 2: weights that a layer reads off the positions themselves,
 * with one layer instead of two
 */
function pool(params: DenseParams | undefined, x: tf.Tensor3D, keyPaddingMask?: tf.Tensor2D): tf.Tensor2D {
  const [rows, positions, size] = x.shape;
  const scores = params ? dense(params, x) : tf.zeros<tf.Rank.R3>([rows, positions, 1]);
  const weights = maskedSoftmax(tf.transpose(scores, [0, 2, 1]), keyPaddingMask); // [rows, heads, positions]
  const heads = weights.shape[1];
  const mixed = tf.matMul(tf.reshape(weights, [rows, heads, 1, positions]), splitHeads(x, heads));
  return tf.reshape(mixed, [rows, size]);
}
