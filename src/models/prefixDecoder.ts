import * as tf from '@tensorflow/tfjs';
import { attentionBias } from '../attention/attentionBias';
import { appendKeys, type KeysAndValues } from '../attention/multiHead';
import { transformerLayer } from '../attention/transformerLayer';
import { type Dropout, dropout } from '../core/dropout';
import { UsageError } from '../core/errors';
import { takeRows } from '../core/takeRows';
import { disposeTree, mapTree, type Tree } from '../core/tree';
import type { TransformerParts } from '../decoders/transformer';
import type { Step, TeacherForced, TrainableDecoder } from '../decoders/types';

/** A transformer decoder that reads the picture as words before its words. */
export type PrefixParts = Omit<TransformerParts, 'transform' | 'project'> & {
  /** Features [images, positions, featureSize] as what the first layer reads, [images, tokens, size]. */
  prefix(features: tf.Tensor3D, drop?: Dropout): tf.Tensor3D;
  /** Whether tokens of the picture see only those before them. */
  causalPrefix: boolean;
  /** Whether the places of words are counted from the first token of the picture on. */
  prefixHasPlaces: boolean;
  /** The place of what is padding, where it is not counted on. */
  paddingPlace?: number;
};

/** What was read of every picture before its captions part: keys and values per layer, [images, heads, tokens, size]. */
export type PrefixMemory = {
  layers: KeysAndValues[];
  /** Added to the scores where prompts are of different lengths, [images, 1, 1, tokens]. */
  bias?: tf.Tensor4D;
  /** The place of the next word, [images] of int32. */
  next: tf.Tensor1D;
  /** The words of prompts that were read, [images, time] of int32. */
  prompt?: tf.Tensor2D;
};

/** Keys and values per layer of the words of each row, [rows, heads, time, size]; none before the first. */
export type PrefixState = { layers: KeysAndValues[] };

/** hiddenStates [rows, time, size]: of what enters and of every layer, the last one finished; keys and values of all words */
export type PrefixOutputs = { hiddenStates: tf.Tensor3D[]; attentions: tf.Tensor4D[]; state: PrefixState };

type ReadOptions = {
  /** [rows, time], 1 = padding, which stands after the words */
  keyPaddingMask?: tf.Tensor2D | undefined;
  drop?: Dropout | undefined;
};

/**
 * A language model that reads a picture as a beginning of the caption: GIT, and BLIP-2 with OPT. What the captions of a
 * picture share - its tokens, a prompt - is read once and never repeated.
 */
export class PrefixDecoder implements TrainableDecoder<PrefixState, PrefixMemory> {
  constructor(readonly parts: PrefixParts) {}

  get params(): Tree {
    return this.parts.params;
  }

  /** @param features - [images, positions, featureSize] */
  remember(features: tf.Tensor3D, drop?: Dropout): PrefixMemory {
    return this.readPrefix(features, drop).memory;
  }

  /** The memory, and what the layers make of the picture. */
  readPrefix(features: tf.Tensor3D, drop?: Dropout): { memory: PrefixMemory; outputs: PrefixOutputs } {
    const { prefix, causalPrefix, prefixHasPlaces } = this.parts;
    const x = prefix(features, drop);
    const [images, tokens] = x.shape;
    const bias = attentionBias({ queries: tokens, causal: causalPrefix });
    const outputs = runLayers(this.parts, x, { layers: [] }, undefined, bias, drop);
    const next = tf.fill<tf.Rank.R1>([images], prefixHasPlaces ? tokens : 0, 'int32');
    return { memory: { layers: outputs.state.layers, next }, outputs };
  }

  /** A memory without a picture, for the language alone. */
  withoutPicture(images: number): PrefixMemory {
    return { layers: [], next: tf.zeros<tf.Rank.R1>([images], 'int32') };
  }

  initialState(): PrefixState {
    return { layers: [] };
  }

  /** All that reading tokens [rows, time] of int32 after `state` makes. */
  read(tokens: tf.Tensor2D, state: PrefixState, memory: PrefixMemory, options: ReadOptions = {}): PrefixOutputs {
    const { keyPaddingMask, drop } = options;
    const [rows, time] = tokens.shape;
    const before = state.layers[0]?.keys.shape[2] ?? 0;
    if (before > 0 && keyPaddingMask) throw new UsageError('Padding can only be told of when reading begins.');
    this.expectPlaces(memory, before + time);
    const counted = tf.expandDims<tf.Tensor2D>(tf.range(before, before + time, 1, 'int32'), 0);
    const first = tf.reshape<tf.Rank.R2>(repeatRows(memory.next, rows), [rows, 1]);
    const x = this.parts.embed(tokens, this.placesOf(tf.add(first, counted), keyPaddingMask));
    const bias = attentionBias({ queries: time, keys: before + time, causal: true, keyPaddingMask });
    return runLayers(this.parts, x, state, memory, bias, drop);
  }

  /** Logits [n, vocabSize] of finished hidden states [n, size]. */
  logits(hidden: tf.Tensor2D): tf.Tensor2D {
    const { output } = this.parts;
    const product: tf.Tensor2D = tf.matMul(hidden, output.table, false, true);
    return output.bias ? tf.add(product, output.bias) : product;
  }

  step(tokens: tf.Tensor1D, state: PrefixState, memory: PrefixMemory): Step<PrefixState> {
    const read = this.read(tf.expandDims(tokens, 1), state, memory);
    const hidden = tf.squeeze<tf.Tensor2D>(read.hiddenStates.at(-1)!, [1]);
    return { logits: this.logits(hidden), state: read.state, hidden };
  }

  teacherForced(
    tokens: tf.Tensor2D,
    memory: PrefixMemory,
    { wanted, drop }: { wanted?: tf.Tensor1D; drop?: Dropout } = {},
  ): TeacherForced {
    const read = this.read(tokens, this.initialState(), memory, { drop });
    const all = tf.reshape<tf.Rank.R2>(read.hiddenStates.at(-1)!, [tokens.size, -1]);
    const hidden = wanted ? takeRows(all, wanted) : all;
    const { table, bias } = this.parts.output;
    const logits = () => this.logits(hidden);
    return {
      get logits() {
        return logits();
      },
      get last() {
        return {
          hidden,
          output: { weight: tf.transpose(table), bias: bias ?? tf.zeros<tf.Rank.R1>([table.shape[0]]) },
        };
      },
    };
  }

  dispose(): void {
    disposeTree(this.params);
  }

  private expectPlaces({ layers, prompt }: PrefixMemory, words: number): void {
    const { maxPositions, prefixHasPlaces } = this.parts;
    const read = (prefixHasPlaces ? layers[0]?.keys.shape[2] : prompt?.shape[1]) ?? 0;
    if (read + words > maxPositions)
      throw new UsageError(
        `The text has ${read + words} tokens, but the model has places for ${maxPositions}. Give a smaller maxLength.`,
      );
  }

  private placesOf(counted: tf.Tensor2D, keyPaddingMask: tf.Tensor2D | undefined): tf.Tensor2D {
    const { paddingPlace } = this.parts;
    if (!keyPaddingMask || paddingPlace === undefined) return counted;
    return tf.where(
      tf.cast(keyPaddingMask, 'bool'),
      tf.fill<tf.Rank.R2>(counted.shape, paddingPlace, 'int32'),
      counted,
    );
  }

  /**
   * The memory of captions that go on from prompts: all but the last of their words are read, the last is the first step's.
   *
   * @param prompts - for every picture the words before its caption, the start token first
   */
  continueFrom(memory: PrefixMemory, prompts: readonly (readonly number[])[]): PrefixMemory {
    const images = memory.next.shape[0];
    if (prompts.length !== images || prompts.some(({ length }) => length === 0))
      throw new UsageError(
        `There are ${prompts.length} prompts for ${images} pictures, but there should be one for each, with the start token at least.`,
      );
    const read = prompts.map((prompt) => prompt.slice(0, -1));
    const lengths = read.map(({ length }) => length);
    const longest = Math.max(...lengths);
    if (longest === 0) return mapTree(memory, (tensor) => tf.clone(tensor));
    const padded = read.map((prompt) => [...prompt, ...new Array<number>(longest - prompt.length).fill(0)]);
    const mask = lengths.map((length) => Array.from({ length: longest }, (_, place) => Number(place >= length)));
    const prompt = tf.tensor2d(padded, [images, longest], 'int32');
    const keyPaddingMask = lengths.some((length) => length < longest) ? tf.tensor2d(mask) : undefined;
    const words = this.read(prompt, this.initialState(), memory, { keyPaddingMask });
    const layers = words.state.layers.map((own, layer) => appendKeys(memory.layers[layer], own));
    const next = tf.add<tf.Tensor1D>(memory.next, tf.tensor1d(lengths, 'int32'));
    if (!keyPaddingMask) return { layers, next, prompt };
    const keys = layers[0]!.keys.shape[2];
    const hidden = tf.pad(keyPaddingMask, [
      [0, 0],
      [keys - longest, 0],
    ]);
    return { layers, next, prompt, bias: attentionBias({ queries: 1, keys, keyPaddingMask: hidden })! };
  }
}

/** x [rows, time, size] through all layers, after `state` and what `memory` has of the picture. */
function runLayers(
  { layers, layer, finish }: PrefixParts,
  x: tf.Tensor3D,
  state: PrefixState,
  memory: PrefixMemory | undefined,
  bias: tf.Tensor | undefined,
  drop: Dropout | undefined,
): PrefixOutputs {
  const hiddenStates = [dropout(x, drop, 'embeddings')];
  const outputs: PrefixOutputs = { hiddenStates, attentions: [], state: { layers: [] } };
  for (const [index, params] of layers.entries()) {
    const picture = memory?.layers[index];
    const { output, weights, present } = transformerLayer(params, hiddenStates.at(-1)!, layer(index), {
      bias,
      past: state.layers[index],
      shared: picture && { ...picture, bias: memory?.bias },
      drop: drop && { ...drop, random: drop.random.fork(index) },
    });
    hiddenStates.push(index === layers.length - 1 && finish ? finish(output) : output);
    outputs.attentions.push(weights);
    outputs.state.layers.push(present);
  }
  return outputs;
}

/** [images] -> [rows], each repeated for the rows of its picture. */
function repeatRows(x: tf.Tensor1D, rows: number): tf.Tensor1D {
  const images = x.shape[0];
  if (rows === images) return x;
  return tf.reshape(tf.tile(tf.expandDims(x, 1), [1, rows / images]), [rows]);
}
