import * as tf from '@tensorflow/tfjs';
import type { AnyAttention, AttentionMemory } from '../attention/mechanism';
import { atStep, type Dropout, dropout, dropoutFactors } from '../core/dropout';
import { UsageError } from '../core/errors';
import { type LinearParams, linear } from '../core/linear';
import type { LSTMState } from '../core/lstm';
import { variables } from '../core/parameters';
import type { Random } from '../core/random';
import { type RecurrentParams, type RecurrentState, recurrentStep } from '../core/recurrent';
import { expectShape } from '../core/shapes';
import { takeRows } from '../core/takeRows';
import { disposeTree, type Tree } from '../core/tree';
import {
  type AttentionLSTMConfig,
  type AttentionLSTMParams,
  attentionLSTMParams,
  expectFitting,
  type FusedParams,
  mechanismOf,
} from './attentionLSTMParams';
import { attentionLSTMPass } from './attentionLSTMPass';
import { packing } from './packing';
import {
  meanFeature,
  outputLayer,
  overTime,
  repeatRows,
  rowsOfPlaces,
  rowsOfSteps,
  saying,
  timeMajor,
} from './recurrentParts';
import type { Step, TeacherForced, TrainableDecoder } from './types';

export type { AttentionLSTMConfig, AttentionLSTMParams } from './attentionLSTMParams';

/** As in `TrainableDecoder`, and more for those who know this decoder. */
export type TeacherForcedOptions = {
  wanted?: tf.Tensor1D;
  drop?: Dropout;
  /** `false` takes the plain pass where there is one with gradients written by hand. */
  fused?: boolean;
  /** With attention that chooses where to look: draw from this, as `hardAttention()` does. */
  choose?: Random;
};

/** One state per layer, and what the attention hands to its next step, where it does. */
export type AttentionLSTMState = { layers: RecurrentState[]; attention?: Tree };

/** What words look at; `mean` [images, featureSize] of the positions, where the recurrent layers read it. */
export type AttentionLSTMMemory = AttentionMemory & { mean?: tf.Tensor2D };

/** What a word leads to: the hidden state of the top layer, where it looked and what it saw. */
type Advanced = {
  state: AttentionLSTMState;
  hidden: tf.Tensor2D;
  context: tf.Tensor2D;
  weights: tf.Tensor2D;
  chosen?: tf.Tensor2D;
};

/** What dropout and drawing go by in training. */
type Chance = { drop?: Dropout | undefined; choose?: Random | undefined; time?: number };

/**
 * The recurrent decoder that looks at the picture anew at every word: "Show, Attend and Tell", and what came after it.
 *
 * Rows may be several per image, as in `additiveAttention`: the captions of a picture share its features.
 *
 * @see Xu et al. 2015, https://arxiv.org/abs/1502.03044, section 3.1; Anderson et al. 2018, https://arxiv.org/abs/1707.07998, section
 * 3.2, with `look: 'between'`; Luong et al. 2015, https://arxiv.org/abs/1508.04025, equation 5, with `look: 'after'`. Departures, as in
 * PyTorch's usual implementations: two LSTM biases, one-layer networks of the mean feature for the first states, without
 * `deepOutput` the hidden state alone predicts the word, and with it a tanh stands before the last projection, as in Xu et al.'s
 * own code. The order in which a layer reads its parts is that of `Look`.
 */
export class AttentionLSTMDecoder implements TrainableDecoder<AttentionLSTMState, AttentionLSTMMemory> {
  readonly params: AttentionLSTMParams;
  readonly locksDropout = true;
  /** How it looks at the picture. */
  readonly attention: AnyAttention;

  /**
   * @param attention - the mechanism that `config.attention` names, where it is not one of this library's
   * @throws UsageError for parts that do not go together
   */
  constructor(
    readonly config: AttentionLSTMConfig,
    random: Random,
    attention?: AnyAttention,
  ) {
    this.attention = mechanismOf(config, attention);
    expectFitting(config, this.attention);
    this.params = variables(attentionLSTMParams(config, this.attention, random));
  }

  /**
   * features [images, positions, featureSize] -> what every step of every caption shares.
   *
   * @param keyPaddingMask - [images, positions], 1 for positions that are none
   */
  remember(features: tf.Tensor3D, _drop?: Dropout, keyPaddingMask?: tf.Tensor2D): AttentionLSTMMemory {
    expectShape(
      'features',
      features,
      { images: -1, positions: -1, features: this.config.featureSize },
      'Were they made by the encoder that this decoder was built for?',
    );
    const { attention, params } = this;
    return {
      features,
      keys: attention.keys(params.attention, features),
      ...(attention.values && { values: attention.values(params.attention, features) }),
      ...(keyPaddingMask && { keyPaddingMask }),
      ...(this.look !== 'before' && { mean: meanFeature(features, keyPaddingMask) }),
    };
  }

  initialState(memory: AttentionLSTMMemory): AttentionLSTMState {
    const mean = memory.mean ?? meanFeature(memory.features, memory.keyPaddingMask);
    const activate = (x: tf.Tensor2D) => (this.config.initActivation === 'tanh' ? tf.tanh(x) : x);
    const attention = this.attention.initialState?.(this.params.attention, memory);
    return {
      layers: this.params.init.map(({ hidden, cell }) => ({
        hidden: activate(linear(hidden, mean)),
        ...(cell && { cell: activate(linear(cell, mean)) }),
      })),
      ...(attention && { attention }),
    };
  }

  step(tokens: tf.Tensor1D, state: AttentionLSTMState, memory: AttentionLSTMMemory): Step<AttentionLSTMState> {
    const words = tf.gather(this.params.embedding, tokens); // [rows, embeddingSize]
    const next = this.advance(words, state, memory, {});
    const hidden = this.lastHidden(words, next.hidden, next.context);
    return { logits: linear(this.output(), hidden), state: next.state, weights: next.weights, hidden };
  }

  /**
   * The whole caption at once, every word given the true ones before it. Additive attention before LSTM layers has a pass whose
   * gradients are written by hand, `attentionLSTMPass`: captions cost no work after the last place that is wanted of them, and
   * weights are zero there. All else goes word by word, everything for every place, with tfjs's own gradients.
   *
   * @param options.fused - `false` goes word by word in any case: the plain way that the other is tested against, which needs
   * several times the memory
   * @throws UsageError where attention that chooses is trained without `choose`
   */
  teacherForced(tokens: tf.Tensor2D, memory: AttentionLSTMMemory, options: TeacherForcedOptions = {}): TeacherForced {
    const { fused = this.fusible, choose, drop } = options;
    const { type } = this.attention.config;
    if (this.attention.chooses && drop && !choose)
      throw new UsageError(
        `'${type}' attention draws where to look, and nothing would teach it where: train it with objective: hardAttention().`,
      );
    if (choose && !this.attention.chooses) throw new UsageError(`'${type}' attention does not draw where to look.`);
    if (fused && !this.fusible)
      throw new UsageError('Only additive attention before LSTM layers has a pass with gradients by hand.');
    return fused ? this.fusedPass(tokens, memory, options) : this.plainPass(tokens, memory, options);
  }

  private fusedPass(
    tokens: tf.Tensor2D,
    memory: AttentionMemory,
    { wanted, drop }: TeacherForcedOptions,
  ): TeacherForced {
    const [rows, time] = tokens.shape;
    const { hiddenSize, attentionActivation: activation } = this.config;
    const images = memory.features.shape[0];
    const { contextGate, embedding, deepOutput } = this.params;
    const { attention, lstm } = this.params as typeof this.params & FusedParams;
    const asked = wanted?.dataSync<'int32'>();
    const packed = packing(wantedLengths(asked, rows, time), images, time);
    const ints = (values: Int32Array) => tf.tensor1d(values, 'int32');

    const read = tf.gather(tf.reshape(tokens, [rows * time]), ints(packed.places)) as tf.Tensor1D;
    const words = dropout(takeRows(embedding, read), drop, 'words', () => rowsOfPlaces(packed.places, rows, time));
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
        initial: repeatRows(this.initialState(memory).layers as LSTMState[], rows / images),
      },
      {
        packing: packed,
        activation,
        keyPaddingMask,
        contexts: deepOutput !== undefined,
        layerDropout: (layer, t, block) => {
          const factors = dropoutFactors({ count: rows, of: block.rows }, hiddenSize, atStep(drop, t), `layer${layer}`);
          return factors && tf.tensor2d(factors, [block.rows.length, hiddenSize]);
        },
      },
    );
    const places = ints(asked ? asked.map((place) => packed.placeOf[place]!) : packed.placeOf);
    const last = this.lastHidden(
      deepOutput && takeRows(words, places),
      dropout(takeRows(hidden, places), drop, 'hidden', () => rowsOfPlaces(asked, rows, time)),
      context && takeRows(context, places),
    );
    const positions = weights.shape[1];
    const withNone = tf.concat([weights, tf.zeros([1, positions])], 0);
    return saying(last, this.output(), {
      weights: tf.reshape(takeRows(withNone, ints(packed.placeOf)), [rows, time, positions]),
    });
  }

  private plainPass(
    tokens: tf.Tensor2D,
    memory: AttentionLSTMMemory,
    { wanted, drop, choose }: TeacherForcedOptions,
  ): TeacherForced {
    const [rows, time] = tokens.shape;
    const words = dropout(takeRows(this.params.embedding, timeMajor(tokens)), drop, 'words', () =>
      rowsOfSteps(rows, time),
    );
    let state = repeatRows(this.initialState(memory), rows / memory.features.shape[0]);
    const steps = (tf.split(words, time, 0) as tf.Tensor2D[]).map((word, t) => {
      const next = this.advance(word, state, memory, { drop: atStep(drop, t), choose, time: t });
      state = next.state;
      return { word, ...next };
    });
    const of = <T>(pick: (step: (typeof steps)[number]) => T) => steps.map(pick);
    const last = this.lastHidden(
      this.params.deepOutput &&
        overTime(
          of(({ word }) => word),
          wanted,
        ),
      dropout(
        overTime(
          of(({ hidden }) => hidden),
          wanted,
        ),
        drop,
        'hidden',
        () => rowsOfPlaces(wanted?.dataSync<'int32'>(), rows, time),
      ),
      this.readsContext
        ? overTime(
            of(({ context }) => context),
            wanted,
          )
        : undefined,
    );
    const overSteps = (tensors: tf.Tensor2D[]) => tf.stack(tensors, 1) as tf.Tensor3D;
    return saying(last, this.output(), {
      weights: overSteps(of(({ weights }) => weights)),
      ...(choose && { chosen: overSteps(of(({ chosen }) => chosen!)) }),
    });
  }

  dispose(): void {
    disposeTree(this.params);
  }

  private get look() {
    return this.config.look ?? 'before';
  }

  /** Whether there is a pass with gradients by hand. */
  private get fusible(): boolean {
    return !this.config.attention && this.look === 'before' && this.params.lstm !== undefined;
  }

  private get layers(): RecurrentParams[] {
    return (this.params.lstm ?? this.params.gru)!;
  }

  private output(): LinearParams {
    return outputLayer(this.params.output, this.params.embedding);
  }

  /** Moves on by one word, [rows, embeddingSize]. */
  private advance(
    words: tf.Tensor2D,
    state: AttentionLSTMState,
    memory: AttentionLSTMMemory,
    chance: Chance,
  ): Advanced {
    if (this.look === 'before') {
      const seen = this.see(state.layers.at(-1)!.hidden, state, memory, chance);
      const layers = this.climb(0, tf.concat([words, seen.context], 1), state, chance);
      return { ...seen, state: withAttention(layers, seen.state), hidden: layers.at(-1)!.hidden };
    }
    const mean = repeatRows(memory.mean!, words.shape[0] / memory.features.shape[0]);
    if (this.look === 'after') {
      const bottom = tf.concat<tf.Tensor2D>([words, mean], 1);
      const layers = this.climb(0, bottom, state, chance);
      const { hidden } = layers.at(-1)!;
      const input = layers.length === 1 ? bottom : layers.at(-2)!.hidden;
      const recurrent = { input, before: state.layers.at(-1)!, now: layers.at(-1)! };
      const seen = this.see(hidden, state, memory, chance, recurrent);
      return { ...seen, state: withAttention(layers, seen.state), hidden };
    }
    const input = tf.concat<tf.Tensor2D>([words, mean, state.layers.at(-1)!.hidden], 1);
    const first = recurrentStep(this.layers[0]!, input, state.layers[0]!);
    const recurrent = { input, before: state.layers[0]!, now: first };
    const seen = this.see(first.hidden, state, memory, chance, recurrent);
    const others = this.climb(1, tf.concat([seen.context, first.hidden], 1), state, chance);
    return { ...seen, state: withAttention([first, ...others], seen.state), hidden: others.at(-1)!.hidden };
  }

  /** Looks at the picture, and gates what was seen. */
  private see(
    query: tf.Tensor2D,
    { attention }: AttentionLSTMState,
    memory: AttentionLSTMMemory,
    { choose, time = 0 }: Chance,
    recurrent?: { input: tf.Tensor2D; before: RecurrentState; now: RecurrentState },
  ) {
    const { params } = this;
    const seen = this.attention.attend(params.attention, query, memory, {
      grid: this.config.grid ?? [1, memory.features.shape[1]],
      ...(attention && { state: attention }),
      ...(recurrent && {
        recurrent: {
          input: recurrent.input,
          before: recurrent.before.hidden,
          cell: recurrent.now.cell ?? recurrent.now.hidden,
        },
      }),
      ...(choose && { choice: { random: choose, step: time } }),
    });
    if (!params.contextGate) return seen;
    return { ...seen, context: tf.mul<tf.Tensor2D>(tf.sigmoid(linear(params.contextGate, query)), seen.context) };
  }

  /** Layers from `from` on, each reading the one below. */
  private climb(from: number, input: tf.Tensor2D, state: AttentionLSTMState, { drop }: Chance): RecurrentState[] {
    const next: RecurrentState[] = [];
    for (let layer = from; layer < this.layers.length; layer++) {
      const read = layer === from ? input : dropout(next.at(-1)!.hidden, drop, `layer${layer}`);
      next.push(recurrentStep(this.layers[layer]!, read, state.layers[layer]!));
    }
    return next;
  }

  private get readsContext(): boolean {
    return this.params.deepOutput !== undefined || this.params.attentional !== undefined;
  }

  /** What the output layer reads. */
  private lastHidden(words: tf.Tensor2D | undefined, hidden: tf.Tensor2D, context: tf.Tensor2D | undefined) {
    const { deepOutput, attentional } = this.params;
    if (attentional) return tf.tanh<tf.Tensor2D>(linear(attentional, tf.concat([context!, hidden], 1)));
    if (!deepOutput) return hidden;
    const spoken = tf.add(linear(deepOutput.hidden, hidden), tf.matMul(context!, deepOutput.context));
    return tf.tanh<tf.Tensor2D>(tf.add(words!, spoken));
  }
}

const withAttention = (layers: RecurrentState[], attention: Tree): AttentionLSTMState =>
  attention === undefined ? { layers } : { layers, attention };

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
