import * as tf from '@tensorflow/tfjs';
import type { Random } from '../core/random';
import type { Tree } from '../core/tree';
import { maskedSoftmax } from './mask';

/**
 * features [images, positions, featureSize], keys [images, positions, keySize],
 * values [images, positions, contextSize] where contexts are not means of the features themselves,
 * keyPaddingMask [images, positions] with 1 for padding, as in PyTorch
 */
export type AttentionMemory = {
  features: tf.Tensor3D;
  keys: tf.Tensor3D;
  values?: tf.Tensor3D;
  keyPaddingMask?: tf.Tensor2D;
};

/** context [rows, contextSize]; weights [rows, positions], each row summing to 1, or less where part of a look goes elsewhere */
export type Attended = { context: tf.Tensor2D; weights: tf.Tensor2D };

/** What parameters may depend on. */
export type AttentionSizes = {
  /** Of the hidden state that asks. */
  querySize: number;
  featureSize: number;
  /** Of the space in which query and keys meet. */
  attentionSize: number;
  /** Of what the recurrent layer that asks reads, `recurrent.input` of a step. */
  inputSize: number;
  /** Rows and columns of the positions, which lie row by row. */
  grid: Grid;
};

export type Grid = readonly [rows: number, columns: number];

/** What a mechanism may go by beside query and memory. */
export type AttentionStep = {
  /** As in `AttentionSizes`. */
  grid: Grid;
  /** What `initialState` gave, or the step before. */
  state?: Tree;
  /**
   * Of the recurrent layer that made the query, in this step: what it read [rows, inputSize], its hidden state before and its
   * cell after [rows, hiddenSize]; the cell of a GRU is its hidden state. Absent where the picture is looked at first.
   */
  recurrent?: { input: tf.Tensor2D; before: tf.Tensor2D; cell: tf.Tensor2D };
  /** In training of a mechanism that `chooses`: the randomness of the pass, and the number of the step. */
  choice?: { random: Random; step: number };
};

/**
 * `state` is handed to the next step. `chosen` [rows, positions] has a 1 where a position was drawn, and rows of zeros where
 * none was.
 */
export type AttentionResult = Attended & { state?: Tree; chosen?: tf.Tensor2D };

/**
 * A way to look at a picture: pure functions of a tree of parameters. Rows may be several per image (its captions, or the
 * hypotheses of a beam), those of one image together: row r looks at image floor(r * images / rows). `dotScores` and
 * `attendByScores` take care of that.
 */
export interface AttentionMechanism<Params extends Tree> {
  /** Plain and serialisable; `type` names the mechanism in a checkpoint. */
  readonly config: { readonly type: string; readonly [setting: string]: unknown };
  /**
   * Parameters before training.
   *
   * @throws UsageError for sizes that it cannot have
   */
  params(sizes: AttentionSizes, random: Random): Params;
  /** features [images, positions, featureSize] -> [images, positions, any]: computed once per picture. */
  keys(params: Params, features: tf.Tensor3D): tf.Tensor3D;
  /** What contexts are means of, [images, positions, contextSize]; the features themselves without it. */
  values?(params: Params, features: tf.Tensor3D): tf.Tensor3D;
  /** Numbers of a context; `featureSize` without it. */
  contextSize?(sizes: AttentionSizes): number;
  /** What the first step is handed, one row per image, where steps go by those before them. */
  initialState?(params: Params, memory: AttentionMemory): Tree;
  /** Whether it goes by `step.recurrent`, so that the layer that asks has to come before the look. */
  readonly afterLayer?: true;
  /** Whether it draws positions in training, and is trained by `hardAttention()`. */
  readonly chooses?: true;
  /** Whether it goes by the grid. */
  readonly placed?: true;
  /** @param query - [rows, querySize], rows a multiple of images */
  attend(params: Params, query: tf.Tensor2D, memory: AttentionMemory, step: AttentionStep): AttentionResult;
}

// biome-ignore lint/suspicious/noExplicitAny: parameters are the mechanism's own business
export type AnyAttention = AttentionMechanism<any>;

/** [rows, size] -> [images, rows / images, size] */
export function byImage(x: tf.Tensor2D, images: number): tf.Tensor3D {
  return tf.reshape(x, [images, x.shape[0] / images, x.shape[1]]);
}

/**
 * Products of queries and keys.
 *
 * @param query - [rows, size]
 * @param keys - [images, positions, size]
 * @returns [images, rows / images, positions]
 */
export function dotScores(query: tf.Tensor2D, keys: tf.Tensor3D): tf.Tensor3D {
  return tf.matMul(byImage(query, keys.shape[0]), keys, false, true);
}

/** What is seen by the softmax of scores [images, rows / images, positions]; padding is not looked at. */
export function attendByScores(scores: tf.Tensor3D, memory: AttentionMemory): Attended {
  return attendByWeights(maskedSoftmax(scores, memory.keyPaddingMask), memory);
}

/** What is seen with weights [images, rows / images, positions]. */
export function attendByWeights(weights: tf.Tensor3D, { features, values = features }: AttentionMemory): Attended {
  const [images, perImage, positions] = weights.shape;
  return {
    context: tf.reshape(tf.matMul(weights, values), [images * perImage, values.shape[2]]),
    weights: tf.reshape(weights, [images * perImage, positions]),
  };
}
