import * as tf from '@tensorflow/tfjs';
import {
  type AdditiveAttentionParams,
  type AttentionMemory,
  additiveAttention,
  additiveAttentionParams,
  attentionMemory,
} from '../attention/additive';
import { type Dropout, dropout } from '../core/dropout';
import { uniform } from '../core/init';
import { type LinearParams, linear, linearParams } from '../core/linear';
import { type LSTMParams, type LSTMState, lstmCell, lstmGates, lstmParams } from '../core/lstm';
import { variables } from '../core/parameters';
import type { Random } from '../core/random';
import { expectShape } from '../core/shapes';
import { disposeTree, mapTree } from '../core/tree';
import type { Step, TeacherForced, TrainableDecoder } from './types';

export type AttentionLSTMConfig = {
  vocabSize: number;
  featureSize: number;
  embeddingSize: number;
  hiddenSize: number;
  attentionSize: number;
  /** Stacked LSTM layers; the attention is asked by the top one. */
  numLayers: number;
  attentionActivation: 'tanh' | 'relu';
  /** Scales the context by a gate of the hidden state (Xu et al. 2015, section 4.2.1). */
  contextGate: boolean;
  /** Lets word, hidden state and context speak to the vocabulary together (Xu et al. 2015, equation 7). */
  deepOutput: boolean;
  /** After the projection of the mean feature to the first state. */
  initActivation: 'tanh' | 'none';
};

/** init: one pair per layer; lstm: one per layer, the first reads [word, context], the others the layer below. */
export type AttentionLSTMParams = {
  /** [vocabSize, embeddingSize] */
  embedding: tf.Tensor2D;
  attention: AdditiveAttentionParams;
  /** [featureSize -> hiddenSize] each */
  init: { hidden: LinearParams; cell: LinearParams }[];
  lstm: LSTMParams[];
  /** [hiddenSize -> featureSize] */
  contextGate?: LinearParams;
  /** [hiddenSize -> vocabSize]; with deep output [embeddingSize -> vocabSize] */
  output: LinearParams;
  /** hidden [hiddenSize -> embeddingSize], context [featureSize, embeddingSize] */
  deepOutput?: { hidden: LinearParams; context: tf.Tensor2D };
};

/** One state per layer, hidden and cell [rows, hiddenSize]. */
export type AttentionLSTMState = LSTMState[];

function attentionLSTMParams(config: AttentionLSTMConfig, random: Random): AttentionLSTMParams {
  const { vocabSize, featureSize, embeddingSize, hiddenSize, attentionSize, numLayers, attentionActivation } = config;
  const layers = Array.from({ length: numLayers }, (_, layer) => layer);
  return {
    embedding: uniform<tf.Rank.R2>([vocabSize, embeddingSize], 0.1, random.fork('embedding')),
    attention: additiveAttentionParams(
      { querySize: hiddenSize, featureSize, attentionSize, activation: attentionActivation },
      random.fork('attention'),
    ),
    init: layers.map((layer) => ({
      hidden: linearParams(featureSize, hiddenSize, random.fork('initHidden').fork(layer)),
      cell: linearParams(featureSize, hiddenSize, random.fork('initCell').fork(layer)),
    })),
    lstm: layers.map((layer) =>
      lstmParams(layer === 0 ? embeddingSize + featureSize : hiddenSize, hiddenSize, random.fork('lstm').fork(layer)),
    ),
    ...(config.contextGate && { contextGate: linearParams(hiddenSize, featureSize, random.fork('contextGate')) }),
    output: linearParams(config.deepOutput ? embeddingSize : hiddenSize, vocabSize, random.fork('output')),
    ...(config.deepOutput && {
      deepOutput: {
        hidden: linearParams(hiddenSize, embeddingSize, random.fork('deepHidden')),
        context: uniform<tf.Rank.R2>(
          [featureSize, embeddingSize],
          1 / Math.sqrt(featureSize),
          random.fork('deepContext'),
        ),
      },
    }),
  };
}

/**
 * The LSTM decoder with soft attention of "Show, Attend and Tell": every word looks at the image anew.
 *
 * Rows may be several per image, as in `additiveAttention`: the captions of a picture share its features.
 *
 * @see Xu et al. 2015, https://arxiv.org/abs/1502.03044, section 3.1. Departures, as in PyTorch's usual
 * implementations: two LSTM biases, one-layer networks for the first state, without `deepOutput` the hidden state
 * alone predicts the word, and with it a tanh stands before the last projection, as in the authors' own code.
 */
export class AttentionLSTMDecoder implements TrainableDecoder<AttentionLSTMState, AttentionMemory> {
  readonly params: AttentionLSTMParams;

  constructor(
    readonly config: AttentionLSTMConfig,
    random: Random,
  ) {
    this.params = variables(attentionLSTMParams(config, random));
  }

  /** features [images, positions, featureSize] -> what every step of every caption shares. */
  remember(features: tf.Tensor3D): AttentionMemory {
    expectShape(
      'features',
      features,
      { images: -1, positions: -1, features: this.config.featureSize },
      'Were they made by the encoder that this decoder was built for?',
    );
    return attentionMemory(this.params.attention, features);
  }

  initialState(memory: AttentionMemory): AttentionLSTMState {
    const mean = tf.mean<tf.Tensor2D>(memory.features, 1); // [images, featureSize]
    const activate = (x: tf.Tensor2D) => (this.config.initActivation === 'tanh' ? tf.tanh(x) : x);
    return this.params.init.map(({ hidden, cell }) => ({
      hidden: activate(linear(hidden, mean)),
      cell: activate(linear(cell, mean)),
    }));
  }

  step(tokens: tf.Tensor1D, state: AttentionLSTMState, memory: AttentionMemory): Step<AttentionLSTMState> {
    const words = tf.gather(this.params.embedding, tokens); // [rows, embeddingSize]
    const { context, weights } = this.look(state, memory);
    const first = this.params.lstm[0]!;
    const gates = lstmGates(first, tf.concat([words, context], 1), state[0]!.hidden);
    const next = this.advance(gates, state, undefined);
    return { logits: this.readOut(words, next.at(-1)!.hidden, context), state: next, weights };
  }

  /**
   * The whole caption at once, every word given the true ones before it. The first layer's product with the words,
   * and the output layer, are each one product over all words.
   */
  teacherForced(
    tokens: tf.Tensor2D,
    memory: AttentionMemory,
    { wanted, drop }: { wanted?: tf.Tensor1D; drop?: Dropout } = {},
  ): TeacherForced {
    const [rows, time] = tokens.shape;
    const { embeddingSize, hiddenSize, featureSize } = this.config;
    const first = this.params.lstm[0]!;
    const flat = tf.reshape(tf.transpose(tokens), [time * rows]); // time-major, so that a step is one block of rows
    const words = dropout(tf.gather(this.params.embedding, flat), drop, 'words');
    const fromWord = tf.slice(first.input, [0, 0], [embeddingSize, 4 * hiddenSize]);
    const fromContext = tf.slice(first.input, [embeddingSize, 0], [featureSize, 4 * hiddenSize]);
    const wordGates = tf.add(tf.add(tf.matMul(words, fromWord), first.inputBias), first.hiddenBias);

    let state = repeatRows(this.initialState(memory), rows / memory.features.shape[0]);
    const steps = tf.split(wordGates, time, 0).map((given, t) => {
      const { context, weights } = this.look(state, memory);
      const recurrent = tf.add(tf.matMul(context, fromContext), tf.matMul(state[0]!.hidden, first.hidden));
      state = this.advance(tf.add(given, recurrent), state, drop && { ...drop, random: drop.random.fork(t) });
      return { hidden: state.at(-1)!.hidden, context, weights };
    });

    const byRow = (x: tf.Tensor) => tf.reshape(tf.transpose(x, [1, 0, 2]), [rows * time, -1]) as tf.Tensor2D;
    const overTime = (pick: (step: (typeof steps)[number]) => tf.Tensor2D) => {
      const all = tf.reshape(tf.stack(steps.map(pick), 1), [rows * time, -1]) as tf.Tensor2D;
      return wanted ? tf.gather(all, wanted) : all;
    };
    const hidden = overTime((step) => step.hidden);
    const deep = this.params.deepOutput !== undefined;
    const spoken = deep ? byRow(tf.reshape(words, [time, rows, embeddingSize])) : undefined;
    const logits = this.readOut(
      spoken && (wanted ? tf.gather(spoken, wanted) : spoken),
      dropout(hidden, drop, 'hidden'),
      deep ? overTime((step) => step.context) : undefined,
    );
    return {
      logits,
      weights: tf.stack(
        steps.map((step) => step.weights),
        1,
      ) as tf.Tensor3D,
    };
  }

  dispose(): void {
    disposeTree(this.params);
  }

  /** Attends with the top layer's hidden state, and gates what was seen. */
  private look(state: AttentionLSTMState, memory: AttentionMemory) {
    const query = state.at(-1)!.hidden;
    const { attention, contextGate } = this.params;
    const { context, weights } = additiveAttention(attention, query, memory, this.config.attentionActivation);
    if (!contextGate) return { context, weights };
    return { context: tf.mul<tf.Tensor2D>(tf.sigmoid(linear(contextGate, query)), context), weights };
  }

  /** Moves every layer on by one word; `gates` [rows, 4 hiddenSize] are the first layer's. */
  private advance(gates: tf.Tensor2D, state: AttentionLSTMState, drop: Dropout | undefined): AttentionLSTMState {
    const next = [lstmCell(gates, state[0]!.cell)];
    for (let layer = 1; layer < state.length; layer++) {
      const below = dropout(next[layer - 1]!.hidden, drop, `layer${layer}`);
      const { hidden, cell } = state[layer]!;
      next.push(lstmCell(lstmGates(this.params.lstm[layer]!, below, hidden), cell));
    }
    return next;
  }

  private readOut(words: tf.Tensor2D | undefined, hidden: tf.Tensor2D, context: tf.Tensor2D | undefined): tf.Tensor2D {
    const { output, deepOutput } = this.params;
    if (!deepOutput) return linear(output, hidden);
    const spoken = tf.add(linear(deepOutput.hidden, hidden), tf.matMul(context!, deepOutput.context));
    return linear(output, tf.tanh(tf.add(words!, spoken)));
  }
}

/** Row r of [images, size] becomes rows r * times ... r * times + times - 1. */
function repeatRows(state: AttentionLSTMState, times: number): AttentionLSTMState {
  if (times === 1) return state;
  return mapTree(state, (tensor) => {
    const [images, size] = tensor.shape as [number, number];
    return tf.reshape(tf.tile(tf.expandDims(tensor, 1), [1, times, 1]), [images * times, size]);
  });
}
