import * as tf from '@tensorflow/tfjs';
import { multiHeadSpec } from '../attention/multiHead';
import { activation } from '../core/activations';
import { dense } from '../core/dense';
import { embed } from '../core/embedding';
import { layerNorm } from '../core/layerNorm';
import { embeddingSpec, layerNormSpec, linearSpec } from '../core/layerSpecs';
import type { ParameterSpec, ParamsOf } from '../core/spec';

/** As transformers draws the weights of BERT. */
const DRAWN = { deviation: 0.02 };

export type BertEmbeddingSizes = {
  vocabSize: number;
  hiddenSize: number;
  /** Most words that positions were learned for. */
  maxPositions: number;
  /** Kinds of sentences; 0 for models without. */
  tokenTypes: number;
};

/**
 * The tables that BERT and its relatives read text with.
 *
 * @param prefix - such as `bert.embeddings.`
 * @param others - other names that files have for the words, such as that of a tied output layer
 */
export function bertEmbeddingSpec(
  { vocabSize, hiddenSize, maxPositions, tokenTypes }: BertEmbeddingSizes,
  prefix: string,
  others: readonly string[] = [],
) {
  return {
    words: embeddingSpec(`${prefix}word_embeddings`, vocabSize, hiddenSize, { aliases: others }),
    places: embeddingSpec(`${prefix}position_embeddings`, maxPositions, hiddenSize),
    types: tokenTypes === 0 ? undefined : embeddingSpec(`${prefix}token_type_embeddings`, tokenTypes, hiddenSize),
    norm: layerNormSpec(`${prefix}LayerNorm`, hiddenSize),
  };
}

export type BertEmbeddingParams = ParamsOf<ReturnType<typeof bertEmbeddingSpec>>;

/**
 * The sum of what words, their places and their kinds stand for, before the norm: [rows, time, hiddenSize].
 *
 * @param tokens - [rows, time] of int32
 * @param places - [rows or 1, time] of int32
 * @param tokenTypes - [rows, time] of int32; by default all are of the first kind
 * @param padIds - rows of the tables that get no gradient from here
 */
export function bertEmbeddings(
  params: Pick<BertEmbeddingParams, 'words' | 'places' | 'types'>,
  tokens: tf.Tensor2D,
  places: tf.Tensor2D,
  tokenTypes?: tf.Tensor2D,
  padIds: { words?: number | undefined; places?: number; types?: number } = {},
): tf.Tensor3D {
  const words = embed(params.words, tokens, padIds.words);
  const first = () => tf.zeros<tf.Rank.R2>([1, 1], 'int32');
  const kinds = params.types && embed(params.types, tokenTypes ?? first(), padIds.types);
  return tf.add(kinds ? tf.add(words, kinds) : words, embed(params.places, places, padIds.places));
}

export type BertLayerSizes = { hiddenSize: number; innerSize: number };

/**
 * Attention and the norm after it.
 *
 * @param inner - what stands before `query`, `key` and `value` in their names
 * @param memorySize - of what is looked at; `hiddenSize` without it
 */
export function bertAttentionSpec(at: string, hiddenSize: number, inner = 'self', memorySize = hiddenSize) {
  const [query, key, value] = ['query', 'key', 'value'].map((name) => `${at}.${inner}.${name}`);
  const names = { query: query!, key: key!, value: value!, output: `${at}.output.dense` };
  return {
    attention: multiHeadSpec(names, { querySize: hiddenSize, memorySize, ...DRAWN }),
    norm: layerNormSpec(`${at}.output.LayerNorm`, hiddenSize),
  };
}

/** The feed-forward part of a layer: `up` and `down` are how its two halves are called. */
export function bertFeedForwardSpec(up: string, down: string, { hiddenSize, innerSize }: BertLayerSizes) {
  return {
    up: linearSpec(`${up}.dense`, hiddenSize, innerSize, DRAWN),
    down: linearSpec(`${down}.dense`, innerSize, hiddenSize, DRAWN),
    feedForwardNorm: layerNormSpec(`${down}.LayerNorm`, hiddenSize),
  };
}

/** A layer of BERT, such as that at `bert.encoder.layer.0`. @param featureSize - of the picture that it looks at, if it does */
export function bertLayerSpec(at: string, sizes: BertLayerSizes, featureSize?: number) {
  const own = bertAttentionSpec(`${at}.attention`, sizes.hiddenSize);
  const cross =
    featureSize === undefined
      ? undefined
      : bertAttentionSpec(`${at}.crossattention`, sizes.hiddenSize, 'self', featureSize);
  return {
    attention: own.attention,
    attentionNorm: own.norm,
    cross: cross?.attention,
    crossNorm: cross?.norm,
    ...bertFeedForwardSpec(`${at}.intermediate`, `${at}.output`, sizes),
  };
}

/** A linear layer and a norm in front of a head. @param prefix - such as `cls.predictions.` */
export function bertTransformSpec(prefix: string, hiddenSize: number) {
  return {
    transform: linearSpec(`${prefix}transform.dense`, hiddenSize, hiddenSize, DRAWN),
    norm: layerNormSpec(`${prefix}transform.LayerNorm`, hiddenSize),
  };
}

export type BertTransformParams = ParamsOf<ReturnType<typeof bertTransformSpec>>;

export type BertHeadSettings = {
  /** As transformers names it. */
  activation: string;
  epsilon: number;
};

/** x [..., hiddenSize] as heads read it. */
export function bertTransform<T extends tf.Tensor>(
  { transform, norm }: BertTransformParams,
  x: T,
  { activation: name, epsilon }: BertHeadSettings,
): T {
  return layerNorm(norm, activation(name)(dense(transform, x)), epsilon);
}

/**
 * The head that guesses words.
 *
 * @param prefix - such as `decoder.cls.predictions.`
 * @param sizes.tied - whether its table is that of the embedding
 */
export function bertHeadSpec(
  { vocabSize, hiddenSize, tied }: { vocabSize: number; hiddenSize: number; tied: boolean },
  prefix: string,
) {
  const bias: ParameterSpec<tf.Tensor1D> = {
    key: `${prefix}bias`,
    aliases: [`${prefix}decoder.bias`],
    // Where it is not tied, transformers 5 looks for it there alone, and version 4 in both places.
    ...(!tied && { copies: [`${prefix}decoder.bias`] }),
    shape: [vocabSize],
    layout: 'same',
    init: (shape) => tf.zeros(shape),
  };
  return {
    ...bertTransformSpec(prefix, hiddenSize),
    table: tied ? undefined : embeddingSpec(`${prefix}decoder`, vocabSize, hiddenSize),
    bias,
  };
}

export type BertHeadParams = ParamsOf<ReturnType<typeof bertHeadSpec>>;

/** Numbers of places that old files hold beside the weights. */
export const isBertBuffer = (name: string) => name.endsWith('embeddings.position_ids');
