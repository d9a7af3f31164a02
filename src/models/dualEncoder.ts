import * as tf from '@tensorflow/tfjs';
import { version_core } from '@tensorflow/tfjs';
import * as v from 'valibot';
import { warnIfPlainCpu } from '../backends/warnIfPlainCpu';
import { encodeImages } from '../captioner';
import { type Dropout, expectDropout } from '../core/dropout';
import { DataError, expectWhole, UsageError } from '../core/errors';
import { parametersOf } from '../core/parameters';
import { Random } from '../core/random';
import { whole } from '../core/schema';
import { expectShape } from '../core/shapes';
import { createParams } from '../core/spec';
import { disposeTree } from '../core/tree';
import type { WordVector } from '../data/glove';
import type { Source } from '../data/streams';
import type { Tokenizer } from '../data/tokenizer';
import type { Image } from '../data/types';
import { WordTokenizer } from '../data/wordTokenizer';
import { createEncoder } from '../encoders/create';
import type { Encoder } from '../encoders/types';
import { assignStored, readJSON, readTensors, writeJSON, writeTensors } from '../io/checkpoint';
import type { Store } from '../io/types';
import { VERSION } from '../version';
import {
  type DualEncoderConfig,
  type DualEncoderParams,
  dualEncoderSpec,
  imageVectors,
  textVectors,
} from './dualEncoderTowers';
import { type TextBatch, textBatch } from './textBatch';

/** The defaults are those of a small model for some ten thousand pictures. */
export type DualEncoderOptions = {
  encoder: Encoder;
  /** Of any kind; a `WordTokenizer` is saved with the model. */
  tokenizer: Tokenizer;
  embeddingSize?: number;
  hiddenSize?: number;
  projectionSize?: number;
  /** Transformer layers over the words. Without any, the default, a text is a bag of words, read in a tenth of the time of one layer. */
  textLayers?: number;
  numHeads?: number;
  /** Most tokens of a text, start and end included; what is longer is cut. */
  maxPositions?: number;
  pooling?: 'attention' | 'mean';
  /** Probability of dropping a value in training, in [0, 1). */
  dropout?: number;
  seed?: number;
};

const modelSchema = v.object({
  featureSize: whole,
  vocabSize: whole,
  embeddingSize: whole,
  hiddenSize: whole,
  textLayers: v.pipe(v.number(), v.integer(), v.minValue(0)),
  numHeads: whole,
  maxPositions: v.pipe(v.number(), v.integer(), v.minValue(3)),
  pooling: v.picklist(['attention', 'mean']),
  projectionSize: whole,
});

/** `config.json`. The preprocessing is written for other readers; here the encoder's type implies it. */
const configSchema = v.object({
  format: v.literal('tfjs-captioning'),
  formatVersion: v.literal(1),
  architecture: v.literal('dual-encoder'),
  encoder: v.looseObject({ type: v.string() }),
  model: modelSchema,
  dropout: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
});

/** Pictures or texts that go through the model together. */
const TOGETHER = 64;

/**
 * Pictures and texts in one space, where those that belong together lie close: a head over the features of any encoder, and
 * a small transformer over the words. `trainDualEncoder` teaches it.
 *
 * @see Radford et al. 2021, https://arxiv.org/abs/2103.00020; pooled features beside a text encoder: Faghri et al. 2018,
 * https://arxiv.org/abs/1707.05612
 */
export class DualEncoder {
  readonly params: DualEncoderParams;

  private constructor(
    readonly encoder: Encoder,
    readonly tokenizer: Tokenizer,
    readonly config: DualEncoderConfig,
    random: Random,
    readonly dropout: number,
    private readonly ownsEncoder: boolean,
  ) {
    this.params = createParams(dualEncoderSpec(config), random);
  }

  /** A model to be trained. The encoder stays the caller's. */
  static create(options: DualEncoderOptions): DualEncoder {
    const { encoder, tokenizer, embeddingSize = 300, hiddenSize = 512, projectionSize = 512 } = options;
    const { textLayers = 0, numHeads = 8, maxPositions = 32, pooling = 'attention', dropout = 0.2, seed = 0 } = options;
    for (const [name, size] of Object.entries({ embeddingSize, hiddenSize, projectionSize, numHeads }))
      expectWhole(name, size, 1);
    expectWhole('textLayers', textLayers, 0);
    expectWhole('maxPositions', maxPositions, 3);
    expectDropout(dropout);
    if (hiddenSize % numHeads !== 0)
      throw new UsageError(`hiddenSize is ${hiddenSize} but should be a multiple of numHeads, ${numHeads}.`);
    const config: DualEncoderConfig = {
      featureSize: encoder.featureSize,
      vocabSize: tokenizer.vocabSize,
      ...{ embeddingSize, hiddenSize, textLayers, numHeads, maxPositions, pooling, projectionSize },
    };
    return new DualEncoder(encoder, tokenizer, config, new Random(seed).fork('dualEncoder'), dropout, false);
  }

  /**
   * Reads a checkpoint: `config.json`, `model.safetensors` and `vocabulary.json`.
   *
   * @param given - the tokenizer that it was saved with, where that is no `WordTokenizer`
   * @throws DataError that names the file which is missing, damaged or does not fit
   */
  static async load(store: Store, given: { tokenizer?: Tokenizer } = {}): Promise<DualEncoder> {
    const { encoder: encoderConfig, model, dropout } = await readJSON(store, 'config.json', configSchema);
    const tokenizer = given.tokenizer ?? (await readVocabulary(store));
    if (tokenizer.vocabSize !== model.vocabSize)
      throw new DataError(
        `The tokenizer has ${tokenizer.vocabSize} entries but the model in ${store.location} was built for ${model.vocabSize}. Put back the one that it was saved with.`,
      );
    const weights = await readTensors(store, 'model.safetensors');
    const encoder = createEncoder(encoderConfig);
    const loaded = new DualEncoder(encoder, tokenizer, model, new Random(0), dropout, true);
    try {
      if (encoder.featureSize !== model.featureSize)
        throw new DataError(
          `config.json in ${store.location} describes an encoder with ${encoder.featureSize} features per position but a model that reads ${model.featureSize}. Put back the configuration that was saved with the weights.`,
        );
      assignStored(loaded.parameters(), weights, `model.safetensors in ${store.location}`);
      return loaded;
    } catch (error) {
      loaded.dispose();
      throw error;
    }
  }

  /** Every trainable number by the name that it has in a checkpoint. */
  parameters(): Map<string, tf.Variable> {
    return new Map([...parametersOf(this.encoder.params, 'encoder'), ...parametersOf(this.params, 'dual')]);
  }

  /**
   * Writes a checkpoint. A tokenizer that is no `WordTokenizer` is kept elsewhere.
   *
   */
  async save(
    store: Store,
    {
      dtype = 'F32',
      card,
    }: {
      /** `F16` halves the file. */
      dtype?: 'F32' | 'F16';
      /** README.md, the model card. */
      card?: string;
    } = {},
  ): Promise<void> {
    await writeTensors(store, 'model.safetensors', this.parameters(), dtype);
    if (this.tokenizer instanceof WordTokenizer) await writeJSON(store, 'vocabulary.json', this.tokenizer.toJSON());
    await store.write('README.md', new TextEncoder().encode(card ?? this.plainCard()));
    await writeJSON(store, 'config.json', {
      format: 'tfjs-captioning',
      formatVersion: 1,
      architecture: 'dual-encoder',
      encoder: this.encoder.config,
      preprocessing: this.encoder.preprocessing,
      model: this.config,
      dropout: this.dropout,
      versions: { 'tfjs-captioning': VERSION, '@tensorflow/tfjs': version_core },
    });
  }

  /**
   * Gives words of the vocabulary the vectors of a file, such as `readGloVe` reads; the others keep theirs. Vectors are scaled
   * together to the deviation that words begin with.
   *
   * @returns how many words have one
   * @throws DataError for vectors of another size than `embeddingSize`
   */
  async takeWordVectors(vectors: Source<WordVector>): Promise<number> {
    const { embeddingSize } = this.config;
    const found = new Map<number, Float32Array>();
    for await (const { word, vector } of vectors) {
      if (vector.length !== embeddingSize)
        throw new DataError(
          `The vector of '${word}' has ${vector.length} numbers but embeddingSize is ${embeddingSize}. Make them the same.`,
        );
      const [id, ...others] = this.tokenizer.encode(word);
      if (id !== undefined && others.length === 0 && id !== this.tokenizer.unknownId && !found.has(id))
        found.set(id, vector);
    }
    let squares = 0;
    for (const vector of found.values()) for (const value of vector) squares += value * value;
    const scale = 1 / Math.sqrt(Math.max(squares / found.size, Number.MIN_VALUE));
    const table = this.params.text.words as tf.Variable<tf.Rank.R2>;
    const values = (await table.data<'float32'>()).slice();
    for (const [id, vector] of found)
      values.set(
        vector.map((value) => value * scale),
        id * embeddingSize,
      );
    const taken = tf.tensor2d(values, table.shape);
    table.assign(taken);
    taken.dispose();
    return found.size;
  }

  /** Vectors of length 1 [images, projectionSize] of pictures; they belong to the caller. */
  async embedImages(images: readonly Image[]): Promise<tf.Tensor2D> {
    return inBatches(images, this.config, async (batch) => {
      const features = await encodeImages(this.encoder, batch);
      try {
        return this.embedFeatures(features);
      } finally {
        features.dispose();
      }
    });
  }

  /** Vectors of length 1 [images, projectionSize] of features [images, positions, featureSize], which stay the caller's. */
  embedFeatures(features: tf.Tensor3D): tf.Tensor2D {
    warnIfPlainCpu();
    expectShape(
      'features',
      features,
      { images: -1, positions: -1, features: this.config.featureSize },
      'Were they made by the encoder that this model was built for?',
    );
    return tf.tidy(() => imageVectors(this.params, features));
  }

  /** Vectors of length 1 [texts, projectionSize] of texts; they belong to the caller. */
  async embedTexts(texts: readonly string[]): Promise<tf.Tensor2D> {
    warnIfPlainCpu();
    return inBatches(texts, this.config, async (batch) => tf.tidy(() => this.readTexts(this.layOut(batch))));
  }

  /** Texts as ids, each between start and end. */
  layOut(texts: readonly string[]): TextBatch {
    const { startId, endId, padId } = this.tokenizer;
    const longest = this.config.maxPositions - 2;
    return textBatch(
      texts.map((text) => [startId, ...this.tokenizer.encode(text).slice(0, longest), endId]),
      padId,
    );
  }

  /** Vectors of length 1 [rows, projectionSize]; differentiable. */
  readTexts({ rows, time, tokens, padding }: TextBatch, drop?: Dropout): tf.Tensor2D {
    const ids = tf.tensor2d(tokens, [rows, time], 'int32');
    return textVectors(this.params, this.config, ids, tf.tensor2d(padding, [rows, time]), drop);
  }

  dispose(): void {
    disposeTree(this.params);
    if (this.ownsEncoder) this.encoder.dispose();
  }

  private plainCard(): string {
    return [
      '# A dual encoder of pictures and texts',
      '',
      `Made with tfjs-captioning ${VERSION}. Encoder: \`${this.encoder.config.type}\`. Vocabulary: ${this.tokenizer.vocabSize} entries.`,
      '',
      'What it was trained on, how well it finds and what it must not be used for belongs here.',
      '',
    ].join('\n');
  }
}

async function readVocabulary(store: Store): Promise<WordTokenizer> {
  if ((await store.size('vocabulary.json')) === undefined)
    throw new DataError(
      `${store.location} has no vocabulary.json: the model was saved with a tokenizer of another kind. Give it: DualEncoder.load(store, { tokenizer }).`,
    );
  return WordTokenizer.fromJSON(
    await readJSON(store, 'vocabulary.json', v.unknown()),
    `vocabulary.json in ${store.location}`,
  );
}

/** [items, projectionSize], some items at a time. */
async function inBatches<T>(
  items: readonly T[],
  { projectionSize }: DualEncoderConfig,
  embed: (batch: readonly T[]) => Promise<tf.Tensor2D>,
): Promise<tf.Tensor2D> {
  if (items.length === 0) return tf.zeros([0, projectionSize]);
  const parts: tf.Tensor2D[] = [];
  try {
    for (let start = 0; start < items.length; start += TOGETHER)
      parts.push(await embed(items.slice(start, start + TOGETHER)));
    return tf.concat(parts, 0);
  } finally {
    tf.dispose(parts);
  }
}
