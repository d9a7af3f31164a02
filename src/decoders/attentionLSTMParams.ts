import type * as tf from '@tensorflow/tfjs';
import { type AdditiveAttentionParams, additive } from '../attention/additive';
import { storedMechanism } from '../attention/create';
import type { AnyAttention, Grid } from '../attention/mechanism';
import { UsageError } from '../core/errors';
import { uniform } from '../core/init';
import { type LinearParams, linearParams } from '../core/linear';
import type { Random } from '../core/random';
import { type CellName, type RecurrentParams, recurrentParams } from '../core/recurrent';
import type { Tree } from '../core/tree';

/**
 * When a word looks at the picture:
 *
 * - `before` the recurrent layers, asked by the top one's last state; they read [word, context] (Xu et al. 2015)
 * - `between` the first layer and the second: the first reads [word, mean feature, top state] and asks, the second reads
 *   [context, first state] (Anderson et al. 2018, "Up-Down")
 * - `after` the layers, which read [word, mean feature]; the top one asks (Luong et al. 2015, Lu et al. 2017)
 */
export const LOOKS = ['before', 'between', 'after'] as const;
export type Look = (typeof LOOKS)[number];

export type AttentionLSTMConfig = {
  vocabSize: number;
  featureSize: number;
  embeddingSize: number;
  hiddenSize: number;
  attentionSize: number;
  /** Stacked recurrent layers. */
  numLayers: number;
  /** Of additive attention. */
  attentionActivation: 'tanh' | 'relu';
  /** Scales the context by a gate of the hidden state that asks (Xu et al. 2015, section 4.2.1). */
  contextGate: boolean;
  /** Lets word, hidden state and context speak to the vocabulary together (Xu et al. 2015, equation 7). */
  deepOutput: boolean;
  /** After the projection of the mean feature to the first state. */
  initActivation: 'tanh' | 'none';
  /** What looks at the picture, where that is not additive attention: the mechanism's `config`. */
  attention?: AnyAttention['config'];
  /** `before` without it. */
  look?: Look;
  /** `lstm` without it. */
  cell?: CellName;
  /** Whether the output layer is the table of the embedding; it has a bias of its own. */
  tied?: boolean;
  /** Rows and columns of the positions, for mechanisms that go by them. */
  grid?: Grid;
};

/** init: one per layer, and recurrent layers one per layer, under the name of their kind. */
export type AttentionLSTMParams = {
  /** [vocabSize, embeddingSize] */
  embedding: tf.Tensor2D;
  attention: Tree;
  /** [featureSize -> hiddenSize] each; a GRU has no cell */
  init: { hidden: LinearParams; cell?: LinearParams }[];
  lstm?: RecurrentParams[];
  gru?: RecurrentParams[];
  /** [hiddenSize -> contextSize] */
  contextGate?: LinearParams;
  /** `look: 'after'` without deep output: [contextSize + hiddenSize -> hiddenSize] */
  attentional?: LinearParams;
  /** [hiddenSize -> vocabSize], with deep output [embeddingSize -> vocabSize]; the weight is absent where it is `embedding` */
  output: { weight?: tf.Tensor2D; bias: tf.Tensor1D };
  /** hidden [hiddenSize -> embeddingSize], context [contextSize, embeddingSize] */
  deepOutput?: { hidden: LinearParams; context: tf.Tensor2D };
};

/** What `AttentionLSTMParams` are where the pass with gradients by hand can be taken. */
export type FusedParams = { attention: AdditiveAttentionParams; lstm: RecurrentParams[] };

/** The mechanism that a configuration names, or the one that is given for it. */
export function mechanismOf(config: AttentionLSTMConfig, given?: AnyAttention): AnyAttention {
  const { attention, attentionActivation } = config;
  if (!attention) return additive(attentionActivation);
  const known = storedMechanism(attention);
  if (known) return known;
  if (given?.config.type === attention.type) return given;
  throw new UsageError(
    `The attention '${attention.type}' is none of this library's: ${given ? `it is not '${given.config.type}', which was given` : 'give the mechanism itself'}.`,
  );
}

/** @throws UsageError for parts that do not go together */
export function expectFitting(config: AttentionLSTMConfig, mechanism: AnyAttention): void {
  const { look = 'before', numLayers, tied, deepOutput, hiddenSize, embeddingSize, grid } = config;
  const { type } = mechanism.config;
  if (look === 'between' && numLayers < 2)
    throw new UsageError(`look: 'between' needs two layers to look between, but numLayers is ${numLayers}.`);
  if (mechanism.afterLayer && look === 'before')
    throw new UsageError(
      `'${type}' attention goes by what the recurrent layer just made: set look to 'after' or 'between'.`,
    );
  if (mechanism.placed && !grid)
    throw new UsageError(`'${type}' attention needs grid, the rows and columns to look at.`);
  if (tied && !deepOutput && hiddenSize !== embeddingSize)
    throw new UsageError(
      `With tied, the output layer reads embeddingSize numbers, but hiddenSize is ${hiddenSize} and embeddingSize ${embeddingSize}. Make them equal, or set deepOutput.`,
    );
}

/** Sizes of what the mechanism gives and of what every recurrent layer reads. */
export function sizesOf(config: AttentionLSTMConfig, mechanism: AnyAttention) {
  const { look = 'before', featureSize, embeddingSize, hiddenSize, attentionSize, numLayers, grid = [0, 0] } = config;
  const bottom = embeddingSize + featureSize + (look === 'between' ? hiddenSize : 0);
  const inputSize = look === 'after' && numLayers > 1 ? hiddenSize : bottom;
  const sizes = { querySize: hiddenSize, featureSize, attentionSize, inputSize, grid };
  const contextSize = mechanism.contextSize?.(sizes) ?? featureSize;
  const inputs = Array.from({ length: numLayers }, (_, layer) => {
    if (layer === 0) return look === 'before' ? embeddingSize + contextSize : bottom;
    return look === 'between' && layer === 1 ? contextSize + hiddenSize : hiddenSize;
  });
  return { sizes, contextSize, inputs };
}

export function attentionLSTMParams(
  config: AttentionLSTMConfig,
  mechanism: AnyAttention,
  random: Random,
): AttentionLSTMParams {
  const { vocabSize, featureSize, embeddingSize, hiddenSize, look = 'before', cell = 'lstm' } = config;
  const { sizes, contextSize, inputs } = sizesOf(config, mechanism);
  const output = linearParams(config.deepOutput ? embeddingSize : hiddenSize, vocabSize, random.fork('output'));
  if (config.tied) output.weight.dispose();
  return {
    embedding: uniform<tf.Rank.R2>([vocabSize, embeddingSize], 0.1, random.fork('embedding')),
    attention: mechanism.params(sizes, random.fork('attention')),
    init: inputs.map((_, layer) => ({
      hidden: linearParams(featureSize, hiddenSize, random.fork('initHidden').fork(layer)),
      ...(cell === 'lstm' && { cell: linearParams(featureSize, hiddenSize, random.fork('initCell').fork(layer)) }),
    })),
    [cell]: inputs.map((size, layer) => recurrentParams(cell, size, hiddenSize, random.fork(cell).fork(layer))),
    ...(config.contextGate && { contextGate: linearParams(hiddenSize, contextSize, random.fork('contextGate')) }),
    ...(look === 'after' &&
      !config.deepOutput && {
        attentional: linearParams(contextSize + hiddenSize, hiddenSize, random.fork('attentional')),
      }),
    output: config.tied ? { bias: output.bias } : output,
    ...(config.deepOutput && {
      deepOutput: {
        hidden: linearParams(hiddenSize, embeddingSize, random.fork('deepHidden')),
        context: uniform<tf.Rank.R2>(
          [contextSize, embeddingSize],
          1 / Math.sqrt(contextSize),
          random.fork('deepContext'),
        ),
      },
    }),
  };
}
