import * as tf from '@tensorflow/tfjs';
import { atStep, type Dropout, dropout, within } from '../core/dropout';
import { UsageError } from '../core/errors';
import { uniform } from '../core/init';
import { type LinearParams, linear, linearParams } from '../core/linear';
import { variables } from '../core/parameters';
import type { Random } from '../core/random';
import {
  type CellName,
  type RecurrentParams,
  type RecurrentState,
  recurrentParams,
  recurrentStep,
} from '../core/recurrent';
import { expectShape } from '../core/shapes';
import { takeRows } from '../core/takeRows';
import { disposeTree } from '../core/tree';
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

/**
 * Where the picture, the mean of its features, enters (the names are those of Tanti et al. 2018):
 *
 * - `init`: as the first state of every layer
 * - `pre`: as the first word (Vinyals et al. 2015, "Show and Tell")
 * - `par`: beside every word
 * - `merge`: not in the recurrent layers at all, but beside what they make of the words (the model of the Keras tutorials)
 */
export const INJECTIONS = ['init', 'pre', 'par', 'merge'] as const;
export type Injection = (typeof INJECTIONS)[number];

export type LSTMDecoderConfig = {
  vocabSize: number;
  featureSize: number;
  embeddingSize: number;
  hiddenSize: number;
  /** Stacked recurrent layers. */
  numLayers: number;
  cell: CellName;
  injection: Injection;
  /** Whether the output layer is the table of the embedding; it has a bias of its own. */
  tied: boolean;
};

/** Recurrent layers stand under the name of their kind, one per layer; the picture's part is that of the injection. */
export type LSTMDecoderParams = {
  /** [vocabSize, embeddingSize] */
  embedding: tf.Tensor2D;
  lstm?: RecurrentParams[];
  gru?: RecurrentParams[];
  /** `init`: [featureSize -> hiddenSize] each, one per layer; a GRU has no cell */
  init?: { hidden: LinearParams; cell?: LinearParams }[];
  /** `pre` and `par`: [featureSize -> embeddingSize]; `merge`: [featureSize -> hiddenSize] */
  image?: LinearParams;
  /** `merge`: [hiddenSize -> hiddenSize] */
  merged?: LinearParams;
  /** [hiddenSize -> vocabSize]; the weight is absent where it is `embedding` */
  output: { weight?: tf.Tensor2D; bias: tf.Tensor1D };
};

/** image [images, featureSize], the mean of the features; with `par` and `merge` what the layers read of it. */
export type LSTMMemory = { image: tf.Tensor2D };

/** One per layer. */
export type LSTMDecoderState = RecurrentState[];

function decoderParams(config: LSTMDecoderConfig, random: Random): LSTMDecoderParams {
  const { vocabSize, featureSize, embeddingSize, hiddenSize, numLayers, cell, injection, tied } = config;
  const layers = Array.from({ length: numLayers }, (_, layer) => layer);
  const bottom = injection === 'par' ? 2 * embeddingSize : embeddingSize;
  const project = (name: string, outputs: number) => linearParams(featureSize, outputs, random.fork(name));
  const output = linearParams(hiddenSize, vocabSize, random.fork('output'));
  if (tied) output.weight.dispose();
  return {
    embedding: uniform<tf.Rank.R2>([vocabSize, embeddingSize], 0.1, random.fork('embedding')),
    [cell]: layers.map((layer) =>
      recurrentParams(cell, layer === 0 ? bottom : hiddenSize, hiddenSize, random.fork(cell).fork(layer)),
    ),
    ...(injection === 'init' && {
      init: layers.map((layer) => ({
        hidden: project(`initHidden${layer}`, hiddenSize),
        ...(cell === 'lstm' && { cell: project(`initCell${layer}`, hiddenSize) }),
      })),
    }),
    ...((injection === 'pre' || injection === 'par') && { image: project('image', embeddingSize) }),
    ...(injection === 'merge' && {
      image: project('image', hiddenSize),
      merged: linearParams(hiddenSize, hiddenSize, random.fork('merged')),
    }),
    output: tied ? { bias: output.bias } : output,
  };
}

/**
 * The recurrent decoder without attention: it sees the picture as one vector, the mean of its features.
 *
 * @see Vinyals et al. 2015, https://arxiv.org/abs/1411.4555 (`pre`); Tanti et al. 2018, https://arxiv.org/abs/1703.09137 (all of them).
 * Departures: `init` goes through tanh, as a state does; `merge` is that of the Keras tutorials, where the projected picture (with relu)
 * and the last state are added and go through one more layer with relu, while Tanti et al. concatenate them.
 */
export class LSTMDecoder implements TrainableDecoder<LSTMDecoderState, LSTMMemory> {
  readonly params: LSTMDecoderParams;
  readonly locksDropout = true;

  constructor(
    readonly config: LSTMDecoderConfig,
    random: Random,
  ) {
    const { tied, hiddenSize, embeddingSize } = config;
    if (tied && hiddenSize !== embeddingSize)
      throw new UsageError(
        `With tied, the output layer reads embeddingSize numbers, but hiddenSize is ${hiddenSize} and embeddingSize ${embeddingSize}. Make them equal.`,
      );
    this.params = variables(decoderParams(config, random));
  }

  /** @param drop - of what is read of the picture */
  remember(features: tf.Tensor3D, drop?: Dropout, keyPaddingMask?: tf.Tensor2D): LSTMMemory {
    expectShape(
      'features',
      features,
      { images: -1, positions: -1, features: this.config.featureSize },
      'Were they made by the encoder that this decoder was built for?',
    );
    const mean = dropout(meanFeature(features, keyPaddingMask), within(drop, 'picture'), 'mean');
    const { image } = this.params;
    if (!image) return { image: mean };
    const projected = linear(image, mean);
    return { image: this.config.injection === 'merge' ? tf.relu(projected) : projected };
  }

  initialState({ image }: LSTMMemory): LSTMDecoderState {
    const { injection, hiddenSize } = this.config;
    const { init, lstm } = this.params;
    if (init)
      return init.map(({ hidden, cell }) => ({
        hidden: tf.tanh(linear(hidden, image)),
        ...(cell && { cell: tf.tanh(linear(cell, image)) }),
      }));
    const zeros = (): tf.Tensor2D => tf.zeros([image.shape[0], hiddenSize]);
    const empty = this.layers.map(() => ({ hidden: zeros(), ...(lstm && { cell: zeros() }) }));
    return injection === 'pre' ? this.climb(image, empty, undefined) : empty;
  }

  step(tokens: tf.Tensor1D, state: LSTMDecoderState, memory: LSTMMemory): Step<LSTMDecoderState> {
    const words = tf.gather(this.params.embedding, tokens); // [rows, embeddingSize]
    const image = repeatRows(memory.image, words.shape[0] / memory.image.shape[0]);
    const next = this.climb(this.read(words, image), state, undefined);
    const hidden = this.lastHidden(next.at(-1)!.hidden, image);
    return { logits: linear(this.output(), hidden), state: next, hidden };
  }

  /** The whole caption at once, word by word, every word given the true ones before it. */
  teacherForced(
    tokens: tf.Tensor2D,
    memory: LSTMMemory,
    { wanted, drop }: { wanted?: tf.Tensor1D; drop?: Dropout } = {},
  ): TeacherForced {
    const [rows, time] = tokens.shape;
    const words = dropout(takeRows(this.params.embedding, timeMajor(tokens)), drop, 'words', () =>
      rowsOfSteps(rows, time),
    );
    const perImage = rows / memory.image.shape[0];
    const image = repeatRows(memory.image, perImage);
    let state = repeatRows(this.initialState(memory), perImage);
    const hidden = (tf.split(words, time, 0) as tf.Tensor2D[]).map((word, t) => {
      state = this.climb(this.read(word, image), state, atStep(drop, t));
      return state.at(-1)!.hidden;
    });
    const merges = this.params.merged !== undefined;
    const seen = merges ? overTime(Array<tf.Tensor2D>(time).fill(image), wanted) : image;
    const places = () => rowsOfPlaces(wanted?.dataSync<'int32'>(), rows, time);
    return saying(this.lastHidden(dropout(overTime(hidden, wanted), drop, 'hidden', places), seen), this.output());
  }

  dispose(): void {
    disposeTree(this.params);
  }

  private get layers(): RecurrentParams[] {
    return (this.params.lstm ?? this.params.gru)!;
  }

  private output(): LinearParams {
    return outputLayer(this.params.output, this.params.embedding);
  }

  private read(words: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    return this.config.injection === 'par' ? tf.concat([words, image], 1) : words;
  }

  /** Every layer reads the one below. */
  private climb(input: tf.Tensor2D, state: LSTMDecoderState, drop: Dropout | undefined): LSTMDecoderState {
    const next: LSTMDecoderState = [];
    for (const [layer, params] of this.layers.entries()) {
      const read = layer === 0 ? input : dropout(next.at(-1)!.hidden, drop, `layer${layer}`);
      next.push(recurrentStep(params, read, state[layer]!));
    }
    return next;
  }

  /** What the output layer reads. */
  private lastHidden(hidden: tf.Tensor2D, image: tf.Tensor2D): tf.Tensor2D {
    const { merged } = this.params;
    return merged ? tf.relu(linear(merged, tf.add<tf.Tensor2D>(hidden, image))) : hidden;
  }
}
