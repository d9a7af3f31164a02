import * as tf from '@tensorflow/tfjs';
import {
  type AdditiveAttentionParams,
  type AttentionMemory,
  additiveAttention,
  additiveAttentionParams,
  attentionMemory,
} from '../attention/additive';
import { type Dropout, dropout, dropoutFactors } from '../core/dropout';
import { uniform } from '../core/init';
import { type LinearParams, linear, linearParams } from '../core/linear';
import { type LSTMParams, type LSTMState, lstmCell, lstmGates, lstmParams } from '../core/lstm';
import { variables } from '../core/parameters';
import type { Random } from '../core/random';
import { expectShape } from '../core/shapes';
import { takeRows } from '../core/takeRows';
import { disposeTree, mapTree } from '../core/tree';
import { attentionLSTMPass } from './attentionLSTMPass';
import { packing } from './packing';
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

/** As in `TrainableDecoder`, and whether to take the pass with gradients written by hand. */
export type TeacherForcedOptions = { wanted?: tf.Tensor1D; drop?: Dropout; fused?: boolean };

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
    const hidden = this.lastHidden(words, next.at(-1)!.hidden, context);
    return { logits: linear(this.params.output, hidden), state: next, weights, hidden };
  }

  /**
   * The whole caption at once, every word given the true ones before it: `attentionLSTMPass`, whose gradients are
   * written by hand. Captions cost no work after the last place that is wanted of them; weights are zero there.
   *
   * @param options.fused - `false` computes the same with `step` alone, word by word, everything for every place, and leaves
   * the gradients to tfjs: the plain way that the other is tested against, which needs several times the memory
   */
  teacherForced(tokens: tf.Tensor2D, memory: AttentionMemory, options: TeacherForcedOptions = {}): TeacherForced {
    return options.fused === false ? this.plainPass(tokens, memory, options) : this.fusedPass(tokens, memory, options);
  }

  private fusedPass(
    tokens: tf.Tensor2D,
    memory: AttentionMemory,
    { wanted, drop }: TeacherForcedOptions,
  ): TeacherForced {
    const [rows, time] = tokens.shape;
    const { embeddingSize, hiddenSize, attentionActivation: activation } = this.config;
    const images = memory.features.shape[0];
    const { attention, contextGate, lstm, embedding, deepOutput } = this.params;
    const asked = wanted?.dataSync<'int32'>();
    const packed = packing(wantedLengths(asked, rows, time), images, time);
    const ints = (values: Int32Array) => tf.tensor1d(values, 'int32');

    const read = tf.gather(tf.reshape(tokens, [rows * time]), ints(packed.places)) as tf.Tensor1D;
    // Drawn for every place, step by step, as without packing; then those that are computed are picked.
    const chances = dropoutFactors(rows * time * embeddingSize, drop, 'words');
    const timeMajor = packed.places.map((place) => (place % time) * rows + Math.floor(place / time));
    const known = takeRows(embedding, read);
    const words = chances ? tf.mul<tf.Tensor2D>(known, pickRows(chances, timeMajor, embeddingSize)) : known;
    const { features, keys, keyPaddingMask } = memory;
    const [hidden, weights, context] = attentionLSTMPass(
      {
        query: attention.query,
        score: attention.score,
        features,
        keys,
        contextGate,
        lstm,
        words,
        initial: repeatRows(this.initialState(memory), rows / images),
      },
      {
        packing: packed,
        activation,
        keyPaddingMask,
        contexts: deepOutput !== undefined,
        layerDropout: (layer, t, block) => {
          const inStep = drop && { ...drop, random: drop.random.fork(t) };
          const factors = dropoutFactors(rows * hiddenSize, inStep, `layer${layer}`);
          return factors && pickRows(factors, block.rows, hiddenSize);
        },
      },
    );
    const places = ints(asked ? asked.map((place) => packed.placeOf[place]!) : packed.placeOf);
    const last = this.lastHidden(
      deepOutput && takeRows(words, places),
      dropout(takeRows(hidden, places), drop, 'hidden'),
      context && takeRows(context, places),
    );
    const positions = weights.shape[1];
    const withNone = tf.concat([weights, tf.zeros([1, positions])], 0);
    const { output } = this.params;
    return {
      get logits() {
        return linear(output, last);
      },
      last: { hidden: last, output },
      weights: tf.reshape(takeRows(withNone, ints(packed.placeOf)), [rows, time, positions]),
    };
  }

  private plainPass(
    tokens: tf.Tensor2D,
    memory: AttentionMemory,
    { wanted, drop }: TeacherForcedOptions,
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
    return linear(this.params.output, this.lastHidden(words, hidden, context));
  }

  /** What the output layer reads. */
  private lastHidden(words: tf.Tensor2D | undefined, hidden: tf.Tensor2D, context: tf.Tensor2D | undefined) {
    const { deepOutput } = this.params;
    if (!deepOutput) return hidden;
    const spoken = tf.add(linear(deepOutput.hidden, hidden), tf.matMul(context!, deepOutput.context));
    return tf.tanh<tf.Tensor2D>(tf.add(words!, spoken));
  }
}

/** How many steps of each caption are needed for the places that are wanted. */
function wantedLengths(wanted: Int32Array | undefined, rows: number, time: number): Int32Array {
  if (!wanted) return new Int32Array(rows).fill(time);
  const lengths = new Int32Array(rows);
  for (const place of wanted) {
    const row = Math.floor(place / time);
    lengths[row] = Math.max(lengths[row]!, (place % time) + 1);
  }
  return lengths;
}

/** Rows of a matrix of plain numbers whose rows have `size`, as a tensor [indices, size]. */
function pickRows(values: Float32Array, indices: Int32Array, size: number): tf.Tensor2D {
  const picked = new Float32Array(indices.length * size);
  for (const [i, row] of indices.entries()) picked.set(values.subarray(row * size, (row + 1) * size), i * size);
  return tf.tensor2d(picked, [indices.length, size]);
}

/** Row r of [images, size] becomes rows r * times ... r * times + times - 1. */
function repeatRows(state: AttentionLSTMState, times: number): AttentionLSTMState {
  if (times === 1) return state;
  return mapTree(state, (tensor) => {
    const [images, size] = tensor.shape as [number, number];
    return tf.reshape(tf.tile(tf.expandDims(tensor, 1), [1, times, 1]), [images * times, size]);
  });
}
