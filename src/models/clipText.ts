import * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import { attentionBias } from '../attention/attentionBias';
import { layerOutput, type TransformerLayerConfig } from '../attention/transformerLayer';
import { activation } from '../core/activations';
import { embed } from '../core/embedding';
import { layerNorm } from '../core/layerNorm';
import { embeddingSpec, layerNormSpec } from '../core/layerSpecs';
import { whole } from '../core/schema';
import type { ParamsOf } from '../core/spec';
import { clipLayerSpec } from '../encoders/clipLayers';

/** The tower that CLIP and SigLIP read texts with. */
export type TextTowerConfig = {
  size: number;
  innerSize: number;
  numLayers: number;
  numHeads: number;
  vocabSize: number;
  maxLength: number;
  activation: string;
  epsilon: number;
  /** Whether a word sees only those before it. */
  causal: boolean;
};

/** The entries of a `text_config`, with the defaults of a model; both have twelve layers. */
export function textTowerSettings(given: Omit<TextTowerConfig, 'numLayers' | 'causal'>) {
  return {
    hidden_size: v.optional(whole, given.size),
    intermediate_size: v.optional(whole, given.innerSize),
    num_hidden_layers: v.optional(whole, 12),
    num_attention_heads: v.optional(whole, given.numHeads),
    vocab_size: v.optional(whole, given.vocabSize),
    max_position_embeddings: v.optional(whole, given.maxLength),
    hidden_act: v.optional(v.string(), given.activation),
    layer_norm_eps: v.optional(v.number(), given.epsilon),
  };
}

type TextTowerSettings = {
  [Name in keyof ReturnType<typeof textTowerSettings>]: v.InferOutput<ReturnType<typeof textTowerSettings>[Name]>;
};

/** @throws DataError for an activation that is not known */
export function textTowerConfig(text: TextTowerSettings, { causal }: Pick<TextTowerConfig, 'causal'>): TextTowerConfig {
  activation(text.hidden_act);
  return {
    size: text.hidden_size,
    innerSize: text.intermediate_size,
    numLayers: text.num_hidden_layers,
    numHeads: text.num_attention_heads,
    vocabSize: text.vocab_size,
    maxLength: text.max_position_embeddings,
    activation: text.hidden_act,
    epsilon: text.layer_norm_eps,
    causal,
  };
}

export type TextTowerParams = ParamsOf<ReturnType<typeof textTowerSpec>>;

export function textTowerSpec({ size, innerSize, numLayers, vocabSize, maxLength }: TextTowerConfig) {
  return {
    words: embeddingSpec('text_model.embeddings.token_embedding', vocabSize, size),
    positions: embeddingSpec('text_model.embeddings.position_embedding', maxLength, size),
    layers: Array.from({ length: numLayers }, (_, layer) =>
      clipLayerSpec(`text_model.encoder.layers.${layer}`, { size, innerSize }),
    ),
    after: layerNormSpec('text_model.final_layer_norm', size),
  };
}

/**
 * Texts through the tower.
 *
 * @param ids - [texts, time] of int32, at most `maxLength` long
 * @param keyPaddingMask - [texts, time], 1 = padding
 * @returns what enters the layers and what each gives, and the last of them after the norm, all [texts, time, size]
 */
export function textTower(
  params: TextTowerParams,
  config: TextTowerConfig,
  ids: tf.Tensor2D,
  keyPaddingMask?: tf.Tensor2D,
): { hiddenStates: tf.Tensor3D[]; last: tf.Tensor3D } {
  const { size, numHeads, epsilon, causal } = config;
  const time = ids.shape[1];
  if (time > config.maxLength)
    throw new RangeError(`A text has ${time} tokens but this model reads ${config.maxLength} at most. Truncate it.`);
  const positions = tf.slice(params.positions, [0, 0], [time, size]);
  const hiddenStates = [tf.add<tf.Tensor3D>(embed(params.words, ids), positions)];
  const bias = attentionBias({ queries: time, causal, keyPaddingMask });
  const layer: TransformerLayerConfig = { numHeads, norm: 'pre', epsilon, activate: activation(config.activation) };
  for (const each of params.layers) hiddenStates.push(layerOutput(each, hiddenStates.at(-1)!, layer, { bias }));
  return { hiddenStates, last: layerNorm(params.after, hiddenStates.at(-1)!, epsilon) };
}

/** Of every row the values at its own place. x [rows, time, size], places [rows] of int32 -> [rows, size]; differentiable. */
export function atPlaces(x: tf.Tensor3D, places: tf.Tensor1D): tf.Tensor2D {
  const [rows, time, size] = x.shape;
  const chosen = tf.equal(tf.expandDims(tf.range(0, time, 1, 'int32'), 0), tf.expandDims(places, 1));
  const picked = tf.matMul(tf.reshape<tf.Rank.R3>(tf.cast(chosen, 'float32'), [rows, 1, time]), x);
  return tf.reshape(picked, [rows, size]);
}
