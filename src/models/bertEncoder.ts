import * as tf from '@tensorflow/tfjs';
import {
  type TransformerLayerConfig,
  type TransformerLayerParams,
  transformerLayer,
} from '../attention/transformerLayer';
import { activation } from '../core/activations';
import { dense } from '../core/dense';
import { type Dropout, within } from '../core/dropout';
import { UsageError } from '../core/errors';
import type { LinearSpec } from '../core/layerSpecs';
import { expectShape } from '../core/shapes';
import type { ParamsOf } from '../core/spec';
import { takeRows } from '../core/takeRows';
import {
  type BertEmbeddingParams,
  type BertHeadParams,
  type BertHeadSettings,
  bertEmbeddings,
  bertTransform,
  isBertBuffer,
} from '../decoders/bertParts';
import { lastLayer, product } from '../decoders/transformer';
import type { TeacherForced } from '../decoders/types';
import type { TextInput } from './textAndRegions';

/** The layers of BERT as they are wherever they stand. */
export function bertLayerConfig(config: BertHeadSettings & { numHeads: number }): TransformerLayerConfig {
  const { numHeads, epsilon } = config;
  return { numHeads, norm: 'post', epsilon, activate: activation(config.activation) };
}

/**
 * What the first layer reads of texts, before the norm: [rows, time, hiddenSize].
 *
 * @param padIds - see `bertEmbeddings`
 * @throws UsageError for texts that are longer than the model has places for; RangeError for shapes that do not fit
 */
export function embedTexts(
  params: BertEmbeddingParams,
  { ids, types, keyPaddingMask }: TextInput,
  padIds?: Parameters<typeof bertEmbeddings>[4],
): tf.Tensor3D {
  const [time, most] = [ids.shape[1], params.places.shape[0]];
  if (time > most)
    throw new UsageError(`A text has ${time} tokens, but the model has places for ${most}. Truncate it.`);
  for (const [name, given] of Object.entries({ types, keyPaddingMask }))
    if (given) expectShape(`${name} of texts`, given, { rows: ids.shape[0], time }, 'Every word has its own.');
  const places = tf.expandDims<tf.Tensor2D>(tf.range(0, time, 1, 'int32'), 0);
  return bertEmbeddings(params, ids, places, types, padIds);
}

/** hiddenStates [rows, time, size] of every layer; attentions [rows, heads, time, time] of each */
export type Stream = { hiddenStates: tf.Tensor3D[]; attentions: tf.Tensor4D[] };

/** One layer after another, from x on, which is the first of the hidden states. @param bias - see `attentionBias` */
export function throughLayers(
  layers: readonly TransformerLayerParams[],
  x: tf.Tensor3D,
  config: TransformerLayerConfig,
  { bias, drop }: { bias?: tf.Tensor | undefined; drop?: Dropout | undefined },
): Stream {
  const stream: Stream = { hiddenStates: [x], attentions: [] };
  for (const [index, params] of layers.entries()) {
    const read = transformerLayer(params, stream.hiddenStates.at(-1)!, config, { bias, drop: within(drop, index) });
    stream.hiddenStates.push(read.output);
    stream.attentions.push(read.weights);
  }
  return stream;
}

/** A linear layer over the first token of each row, such as the class token: [rows, time, size] -> [rows, outputSize] */
export function poolFirst(
  params: ParamsOf<LinearSpec>,
  x: tf.Tensor3D,
  activate: (x: tf.Tensor2D) => tf.Tensor2D,
): tf.Tensor2D {
  const [rows, , size] = x.shape;
  return activate(dense(params, tf.reshape<tf.Rank.R2>(tf.slice(x, [0, 0, 0], [rows, 1, size]), [rows, size])));
}

/**
 * What a model guesses at places of a text: `logits` [places, vocabSize], or what `linearCrossEntropy` reads. Each is computed
 * when it is asked for.
 */
export type GuessedWords = Pick<TeacherForced, 'logits'> & Required<Pick<TeacherForced, 'last'>>;

/**
 * The words that a head guesses.
 *
 * @param words - the table of the embedding, which is that of the output layer where the head has none
 * @param hidden - [rows, time, hiddenSize]
 * @param places - int32 indices row * time + t; all places without it
 */
export function guessWords(
  { head, words }: { head: BertHeadParams; words: tf.Tensor2D },
  settings: BertHeadSettings,
  hidden: tf.Tensor3D,
  places?: tf.Tensor1D,
): GuessedWords {
  const all = tf.reshape<tf.Rank.R2>(hidden, [-1, hidden.shape[2]]);
  const read = bertTransform(head, places ? takeRows(all, places) : all, settings);
  const output = { table: head.table ?? words, bias: head.bias };
  return {
    get logits() {
      return product(output, read);
    },
    get last() {
      return lastLayer(output, read);
    },
  };
}

/** The name that a parameter of a file has today; undefined for what is none. */
export const bertName = (name: string): string | undefined =>
  isBertBuffer(name) ? undefined : name.replace(/\.gamma$/, '.weight').replace(/\.beta$/, '.bias');
