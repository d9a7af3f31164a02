import * as tf from '@tensorflow/tfjs';
import { attentionBias } from '../attention/attentionBias';
import { type KeysAndValues, projectKeys } from '../attention/multiHead';
import {
  recomputedLayer,
  type TransformerLayerConfig,
  type TransformerLayerParams,
  transformerLayer,
} from '../attention/transformerLayer';
import { type Dropout, dropout } from '../core/dropout';
import { UsageError } from '../core/errors';
import { takeRows } from '../core/takeRows';
import { disposeTree, type Tree } from '../core/tree';
import type { Step, TeacherForced, TrainableDecoder } from './types';

/** What tells one transformer decoder from another. */
export type TransformerParts = {
  /** All that is trained; the tensors of the other entries are among them. */
  params: Tree;
  layers: readonly TransformerLayerParams[];
  /** Settings of a layer, counted from 0. */
  layer(index: number): TransformerLayerConfig;
  /**
   * What the first layer reads, [rows, time, size].
   *
   * @param tokens - [rows, time] of int32
   * @param places - [rows or 1, time] of int32: the places of the tokens, counted from 0
   */
  embed(tokens: tf.Tensor2D, places: tf.Tensor2D): tf.Tensor3D;
  /** After the last layer, such as a norm; [rows, time, size]. */
  finish?(x: tf.Tensor3D): tf.Tensor3D;
  /** What stands between that and the output layer; [n, size]. */
  transform?(x: tf.Tensor2D): tf.Tensor2D;
  /** Logits are x table' + bias, with table [vocabSize, size], often that of the embedding, and bias [vocabSize]. */
  output: { table: tf.Tensor2D; bias?: tf.Tensor1D | undefined };
  /** What the layers look at, of features [images, positions, featureSize]; the features themselves without it. */
  prepare?(features: tf.Tensor3D, drop?: Dropout): tf.Tensor3D;
  /** Most words that it has places for. */
  maxPositions: number;
};

/** Of the words read up to now: keys and values per layer (none before the first word), and padding [rows, time], 1 = padding. */
export type TransformerState = { layers: KeysAndValues[]; padding?: tf.Tensor2D | undefined };

/** Keys and values of the picture per layer, [images, heads, positions, size]; none where a layer does not look. */
export type TransformerMemory = { layers: KeysAndValues[] };

/** hiddenStates [rows, time, size]: of the embedding and of every layer, the last one finished; weights per layer */
export type TransformerOutputs = {
  hiddenStates: tf.Tensor3D[];
  attentions: tf.Tensor4D[];
  crossAttentions: tf.Tensor4D[];
  state: TransformerState;
};

export type ReadOptions = {
  /** [rows, time], 1 = padding. Padding before words moves their places: the first word is at 0. */
  keyPaddingMask?: tf.Tensor2D | undefined;
  drop?: Dropout | undefined;
  /** Whether words see only those before them; by default yes. */
  causal?: boolean;
  /** Whether layers are computed again on the way back; then there are no attentions and no state. By default no. */
  recomputes?: boolean;
};

/**
 * A transformer that reads words and may look at a picture: GPT-2, BERT as a decoder, and those trained here from scratch
 * are this with other parts. Generation keeps the keys and values of what was read.
 *
 * Rows may be several per picture, as in `attendShared`.
 *
 * @see Vaswani et al. 2017, https://arxiv.org/abs/1706.03762
 */
export class TransformerDecoder implements TrainableDecoder<TransformerState, TransformerMemory> {
  /**
   * Whether training computes the layers a second time instead of keeping all that they made (gradient checkpointing): less
   * memory for about a third more time. `teacherForced` then gives no attention weights.
   */
  recomputes = false;

  constructor(readonly parts: TransformerParts) {}

  get params(): Tree {
    return this.parts.params;
  }

  /** @param drop - of the layers that stand before those that look, in training */
  remember(features: tf.Tensor3D, drop?: Dropout): TransformerMemory {
    const { prepare } = this.parts;
    return rememberFeatures(this.parts, prepare ? prepare(features, drop) : features);
  }

  initialState(): TransformerState {
    return { layers: [] };
  }

  /** All that reading tokens [rows, time] of int32 after `state` makes. */
  read(
    tokens: tf.Tensor2D,
    state: TransformerState,
    memory: TransformerMemory,
    options: ReadOptions = {},
  ): TransformerOutputs {
    const { keyPaddingMask, ...others } = options;
    const read = embedTokens(this.parts, tokens, state, keyPaddingMask);
    return readEmbedded(this.parts, read.embedded, read.state, memory, others);
  }

  /** Logits [n, vocabSize] of finished hidden states [n, size]. */
  logits(hidden: tf.Tensor2D): tf.Tensor2D {
    const { output, transform } = this.parts;
    return product(output, transform ? transform(hidden) : hidden);
  }

  step(tokens: tf.Tensor1D, state: TransformerState, memory: TransformerMemory): Step<TransformerState> {
    const read = this.read(tf.expandDims(tokens, 1), state, memory);
    const hidden = tf.squeeze<tf.Tensor2D>(read.hiddenStates.at(-1)!, [1]);
    const looked = read.crossAttentions.at(-1);
    return {
      logits: this.logits(hidden),
      state: read.state,
      hidden,
      ...(looked && { weights: tf.squeeze<tf.Tensor2D>(tf.mean(looked, 1), [1]) }),
    };
  }

  /** `weights` are those of the last layer, the mean of its heads. */
  teacherForced(
    tokens: tf.Tensor2D,
    memory: TransformerMemory,
    { wanted, drop }: { wanted?: tf.Tensor1D; drop?: Dropout } = {},
  ): TeacherForced {
    const read = this.read(tokens, this.initialState(), memory, { drop, recomputes: this.recomputes });
    const { output, transform } = this.parts;
    const all = tf.reshape<tf.Rank.R2>(read.hiddenStates.at(-1)!, [tokens.size, -1]);
    const asked = wanted ? takeRows(all, wanted) : all;
    const hidden = transform ? transform(asked) : asked;
    const looked = read.crossAttentions.at(-1);
    return {
      get logits() {
        return product(output, hidden);
      },
      get last() {
        return lastLayer(output, hidden);
      },
      ...(looked && { weights: tf.mean<tf.Tensor3D>(looked, 1) }),
    };
  }

  dispose(): void {
    disposeTree(this.params);
  }
}

/** Logits [n, vocabSize] of what the output layer reads, [n, size]. */
export function product({ table, bias }: TransformerParts['output'], x: tf.Tensor2D): tf.Tensor2D {
  const rows: tf.Tensor2D = tf.matMul(x, table, false, true);
  return bias ? tf.add(rows, bias) : rows;
}

/** The same as a linear layer and what it reads, for losses that do without having all logits at once. */
export function lastLayer({ table, bias }: TransformerParts['output'], hidden: tf.Tensor2D) {
  return { hidden, output: { weight: tf.transpose(table), bias: bias ?? tf.zeros<tf.Rank.R1>([table.shape[0]]) } };
}

/** Keys and values of features [images, positions, featureSize], once per picture. */
export function rememberFeatures(
  { layers, layer }: Pick<TransformerParts, 'layers' | 'layer'>,
  features: tf.Tensor3D,
): TransformerMemory {
  return {
    layers: layers.flatMap(({ cross }, index) => (cross ? [projectKeys(cross, features, layer(index).numHeads)] : [])),
  };
}

/**
 * What the first layer reads of tokens [rows, time] that come after `state`, and the state with their padding.
 *
 * @param keyPaddingMask - [rows, time], 1 = padding
 * @throws UsageError for a text longer than the model has places for
 */
export function embedTokens(
  { embed, maxPositions }: Pick<TransformerParts, 'embed' | 'maxPositions'>,
  tokens: tf.Tensor2D,
  state: TransformerState,
  keyPaddingMask?: tf.Tensor2D,
): { embedded: tf.Tensor3D; state: TransformerState } {
  const [rows, time] = tokens.shape;
  const before = state.layers[0]?.keys.shape[2] ?? 0;
  if (before + time > maxPositions)
    throw new UsageError(
      `The text has ${before + time} tokens, but the model has places for ${maxPositions}. Give a smaller maxLength.`,
    );
  const padding = paddingOf(state, keyPaddingMask, [rows, before, time]);
  return { embedded: embed(tokens, placesOf(padding, before, time)), state: { ...state, padding } };
}

/**
 * As `TransformerDecoder.read`, of vectors instead of words.
 *
 * @param x - [rows, time, size], what the first layer reads
 * @param state - whose padding is that of the words before and of x
 */
export function readEmbedded(
  { layers, layer, finish }: Pick<TransformerParts, 'layers' | 'layer' | 'finish'>,
  x: tf.Tensor3D,
  { layers: past, padding }: TransformerState,
  memory: TransformerMemory,
  { drop, causal = true, recomputes = false }: Omit<ReadOptions, 'keyPaddingMask'> = {},
): TransformerOutputs {
  const queries = x.shape[1];
  const keys = queries + (past[0]?.keys.shape[2] ?? 0);
  const bias = attentionBias({ queries, keys, causal, keyPaddingMask: padding });
  const hiddenStates = [dropout(x, drop, 'embeddings')];
  const outputs: TransformerOutputs = {
    hiddenStates,
    attentions: [],
    crossAttentions: [],
    state: { layers: [], ...(padding && { padding }) },
  };
  for (const [index, params] of layers.entries()) {
    const last = index === layers.length - 1;
    const seen = {
      bias,
      memory: memory.layers[index],
      drop: drop && { ...drop, random: drop.random.fork(index) },
    };
    const before = hiddenStates.at(-1)!;
    if (recomputes && past.length === 0) {
      const output = recomputedLayer(params, before, layer(index), seen);
      hiddenStates.push(last && finish ? finish(output) : output);
      continue;
    }
    const read = transformerLayer(params, before, layer(index), { ...seen, past: past[index] });
    const { output, weights, crossWeights, present } = read;
    hiddenStates.push(last && finish ? finish(output) : output);
    outputs.attentions.push(weights);
    if (crossWeights) outputs.crossAttentions.push(crossWeights);
    outputs.state.layers.push(present);
  }
  return outputs;
}

/** [rows, before + time], where any of it is padding. */
function paddingOf(
  { padding }: TransformerState,
  added: tf.Tensor2D | undefined,
  [rows, before, time]: readonly [number, number, number],
): tf.Tensor2D | undefined {
  if (!padding && !added) return undefined;
  const none = (length: number) => tf.zeros<tf.Rank.R2>([rows, length]);
  const own = added ? tf.cast<tf.Tensor2D>(added, 'float32') : none(time);
  return before === 0 ? own : tf.concat<tf.Tensor2D>([padding ?? none(before), own], 1);
}

/** [1, time], or [rows, time] where rows have padding: places are counted from the first word of the row. */
function placesOf(padding: tf.Tensor2D | undefined, before: number, time: number): tf.Tensor2D {
  const places = tf.expandDims<tf.Tensor2D>(tf.range(before, before + time, 1, 'int32'), 0);
  if (!padding) return places;
  const begun = tf.minimum(tf.cumsum(tf.sub(1, padding), 1), 1); // 1 from the first word on
  const leading = tf.cast(tf.sum(tf.sub(1, begun), 1, true), 'int32'); // [rows, 1]
  return tf.maximum<tf.Tensor2D>(tf.sub(places, leading), tf.scalar(0, 'int32'));
}
