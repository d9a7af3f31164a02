import * as tf from '@tensorflow/tfjs';
import { multiHeadSpec } from '../attention/multiHead';
import { layerOutput, type TransformerLayerConfig } from '../attention/transformerLayer';
import { activation } from '../core/activations';
import { dense } from '../core/dense';
import { type Dropout, dropout } from '../core/dropout';
import { embed } from '../core/embedding';
import { layerNorm } from '../core/layerNorm';
import { embeddingSpec, layerNormSpec, linearSpec, tableSpec } from '../core/layerSpecs';
import { expectShape } from '../core/shapes';
import type { ParameterSpec, ParamsOf } from '../core/spec';
import type { TransformerParts } from './transformer';

export type PlainTransformerConfig = {
  vocabSize: number;
  /** Of the encoder that it looks at: places and numbers of each. */
  positions: number;
  featureSize: number;
  hiddenSize: number;
  numHeads: number;
  /** Of the feed-forward networks. */
  innerSize: number;
  /** Layers that read words and look at the picture. */
  numLayers: number;
  /** Layers over the features before that; with none they are only projected. */
  encoderLayers: number;
  /** As transformers names it. */
  activation: string;
  /** See `TransformerLayerConfig`. */
  norm: 'pre' | 'post';
  /** Places of words: a table that is trained, or sines and cosines. */
  wordPositions: 'learned' | 'sinusoidal';
  /** Most words that a caption may have, start and end token included. */
  maxPositions: number;
  /** Whether the output layer is the table of the embedding. */
  tied: boolean;
};

/** As `torch.nn.LayerNorm`. */
const EPSILON = 1e-5;

function layerSpec({ hiddenSize, innerSize }: PlainTransformerConfig, at: string, cross: boolean) {
  const attention = (name: string) => {
    const key = (part: string) => `${at}.${name}.${part}`;
    const names = { query: key('query'), key: key('key'), value: key('value'), output: key('output') };
    return multiHeadSpec(names, { querySize: hiddenSize });
  };
  return {
    attention: attention('attention'),
    attentionNorm: layerNormSpec(`${at}.attentionNorm`, hiddenSize),
    cross: cross ? attention('cross') : undefined,
    crossNorm: cross ? layerNormSpec(`${at}.crossNorm`, hiddenSize) : undefined,
    up: linearSpec(`${at}.up`, hiddenSize, innerSize),
    down: linearSpec(`${at}.down`, innerSize, hiddenSize),
    feedForwardNorm: layerNormSpec(`${at}.feedForwardNorm`, hiddenSize),
  };
}

export function plainTransformerSpec(config: PlainTransformerConfig) {
  const { vocabSize, positions, featureSize, hiddenSize, numLayers, encoderLayers, maxPositions } = config;
  const table = { deviation: 1 / Math.sqrt(hiddenSize) };
  const lastNorm = (key: string) => (config.norm === 'pre' ? layerNormSpec(key, hiddenSize) : undefined);
  const layers = (count: number, key: string, cross: boolean) =>
    Array.from({ length: count }, (_, layer) => layerSpec(config, `${key}.${layer}`, cross));
  const bias: ParameterSpec<tf.Tensor1D> = {
    key: 'bias',
    shape: [vocabSize],
    layout: 'same',
    init: (shape) => tf.zeros(shape),
  };
  return {
    features: linearSpec('features', featureSize, hiddenSize),
    grid: tableSpec<tf.Rank.R2>('grid', [positions, hiddenSize]),
    encoder: layers(encoderLayers, 'encoder', false),
    encoderNorm: encoderLayers > 0 ? lastNorm('encoderNorm') : undefined,
    words: embeddingSpec('words', vocabSize, hiddenSize, table),
    places: config.wordPositions === 'learned' ? embeddingSpec('places', maxPositions, hiddenSize) : undefined,
    layers: layers(numLayers, 'layers', true),
    norm: lastNorm('norm'),
    head: config.tied ? undefined : embeddingSpec('head', vocabSize, hiddenSize, table),
    bias,
  };
}

export type PlainTransformerParams = ParamsOf<ReturnType<typeof plainTransformerSpec>>;

/**
 * A transformer to be trained from scratch: features are projected and given places, perhaps go through layers of their
 * own, and are looked at by layers that read the words.
 *
 * @see Vaswani et al. 2017, https://arxiv.org/abs/1706.03762; for captions, Herdade et al. 2019,
 * https://arxiv.org/abs/1906.05963. With sinusoidal places, embeddings are multiplied by the root of their size (section
 * 3.4); layers are those of `torch.nn.TransformerDecoderLayer`, with a last norm where norms come first.
 */
export function plainTransformerParts(
  params: PlainTransformerParams,
  config: PlainTransformerConfig,
): TransformerParts {
  const { numHeads, norm, hiddenSize, maxPositions } = config;
  const layer: TransformerLayerConfig = { numHeads, norm, epsilon: EPSILON, activate: activation(config.activation) };
  const { encoderNorm, norm: lastNorm } = params;
  return {
    params,
    layers: params.layers,
    layer: () => layer,
    embed(tokens, places) {
      const words = embed(params.words, tokens);
      if (params.places) return tf.add(words, embed(params.places, places));
      return tf.add(tf.mul(words, Math.sqrt(hiddenSize)), embed(sinusoids(maxPositions, hiddenSize), places));
    },
    ...(lastNorm && { finish: (x: tf.Tensor3D) => layerNorm(lastNorm, x, EPSILON) }),
    output: { table: params.head ?? params.words, bias: params.bias },
    prepare(features, drop) {
      expectShape(
        'features',
        features,
        { images: -1, positions: config.positions, features: config.featureSize },
        'Were they made by the encoder that this decoder was built for?',
      );
      let x = tf.add<tf.Tensor3D>(dense(params.features, features), params.grid);
      x = dropout(x, drop, 'features');
      for (const [index, each] of params.encoder.entries())
        x = layerOutput(each, x, layer, { drop: within(drop, index) });
      return encoderNorm ? layerNorm(encoderNorm, x, EPSILON) : x;
    },
    maxPositions,
  };
}

const within = (drop: Dropout | undefined, index: number) =>
  drop && { ...drop, random: drop.random.fork('encoder').fork(index) };

/** [count, size]: sines in the even columns and cosines in the odd ones, of wavelengths from 2 pi to 10000 * 2 pi. */
function sinusoids(count: number, size: number): tf.Tensor2D {
  const values = new Float32Array(count * size);
  for (let place = 0; place < count; place++)
    for (let column = 0; column < size; column++) {
      const angle = place / 10000 ** ((column - (column % 2)) / size);
      values[place * size + column] = column % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
    }
  return tf.tensor2d(values, [count, size]);
}
