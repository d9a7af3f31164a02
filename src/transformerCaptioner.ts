import type * as tf from '@tensorflow/tfjs';
import { version_core } from '@tensorflow/tfjs';
import * as v from 'valibot';
import {
  type Caption,
  type Captioner,
  type CaptionOptions,
  captionFeatures,
  captionImages,
  encodeImages,
  type GenerationDefaults,
} from './captioner';
import { DataError, expectWhole, UsageError } from './core/errors';
import { parametersOf } from './core/parameters';
import { Random } from './core/random';
import { whole } from './core/schema';
import { createParams } from './core/spec';
import type { Image } from './data/types';
import { WordTokenizer } from './data/wordTokenizer';
import { type PlainTransformerConfig, plainTransformerParts, plainTransformerSpec } from './decoders/plainTransformer';
import { TransformerDecoder } from './decoders/transformer';
import { createEncoder } from './encoders/create';
import type { Encoder } from './encoders/types';
import { assignStored, readJSON, readTensors, writeJSON, writeTensors } from './io/checkpoint';
import type { Store } from './io/types';
import { VERSION } from './version';

/** The defaults are those of a small model for some ten thousand pictures. */
export type TransformerCaptionerOptions = {
  encoder: Encoder;
  tokenizer: WordTokenizer;
  hiddenSize?: number;
  numHeads?: number;
  /** Of the feed-forward networks; four times `hiddenSize` by default. */
  innerSize?: number;
  /** Layers that read words and look at the picture. */
  numLayers?: number;
  /** Layers over the features before that. */
  encoderLayers?: number;
  /** As transformers names it, such as `gelu` or `relu`. */
  activation?: string;
  /** `pre` trains without warm-up; `post` is that of the first transformer. */
  norm?: 'pre' | 'post';
  /** Places of words: a table that is trained, or sines and cosines. */
  wordPositions?: 'learned' | 'sinusoidal';
  /** Most words that a caption may have, start and end token included. */
  maxPositions?: number;
  /** Whether the output layer is the table of the embedding. */
  tied?: boolean;
  /** Probability of dropping a value in training, in [0, 1). */
  dropout?: number;
  /** How to search by default. */
  generation?: Partial<GenerationDefaults>;
  seed?: number;
};

const decoderSchema = v.object({
  vocabSize: whole,
  positions: whole,
  featureSize: whole,
  hiddenSize: whole,
  numHeads: whole,
  innerSize: whole,
  numLayers: whole,
  encoderLayers: v.pipe(v.number(), v.integer(), v.minValue(0)),
  activation: v.string(),
  norm: v.picklist(['pre', 'post']),
  wordPositions: v.picklist(['learned', 'sinusoidal']),
  maxPositions: whole,
  tied: v.boolean(),
});

/** `config.json`. The preprocessing is written for other readers; here the encoder's type implies it. */
const configSchema = v.object({
  format: v.literal('tfjs-captioning'),
  formatVersion: v.literal(1),
  architecture: v.literal('transformer'),
  encoder: v.looseObject({ type: v.string() }),
  decoder: decoderSchema,
  dropout: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
  generation: v.object({ beamSize: whole, lengthPenalty: v.number(), maxLength: whole }),
});

/** Positions that an encoder gives. */
const positionsOf = ({ leading = 0, grid: [rows, columns] }: Encoder) => leading + rows * columns;

/**
 * A captioner with a transformer that is trained from scratch, over the features of any encoder.
 *
 * @see `plainTransformerParts` for what it is made of
 */
export class TransformerCaptioner implements Captioner {
  readonly decoder: TransformerDecoder;

  private constructor(
    readonly encoder: Encoder,
    readonly config: PlainTransformerConfig,
    random: Random,
    readonly tokenizer: WordTokenizer,
    readonly generation: GenerationDefaults,
    readonly dropout: number,
    private readonly ownsEncoder: boolean,
  ) {
    const params = createParams(plainTransformerSpec(config), random);
    this.decoder = new TransformerDecoder(plainTransformerParts(params, config));
  }

  /** A captioner to be trained. The encoder stays the caller's. */
  static create(options: TransformerCaptionerOptions): TransformerCaptioner {
    const { encoder, tokenizer, hiddenSize = 256, numHeads = 4, innerSize = 4 * hiddenSize, numLayers = 3 } = options;
    const { encoderLayers = 1, activation = 'gelu', norm = 'pre', wordPositions = 'learned' } = options;
    const { maxPositions = 64, tied = true, dropout = 0.1, generation = {}, seed = 0 } = options;
    for (const [name, size] of Object.entries({ hiddenSize, numHeads, innerSize, numLayers, maxPositions }))
      expectWhole(name, size, 1);
    expectWhole('encoderLayers', encoderLayers, 0);
    if (hiddenSize % numHeads !== 0)
      throw new UsageError(`hiddenSize is ${hiddenSize} but should be a multiple of numHeads, ${numHeads}.`);
    if (!(dropout >= 0 && dropout < 1))
      throw new UsageError(`dropout is ${dropout} but should be within 0 and 1, such as 0.1.`);
    const config: PlainTransformerConfig = {
      vocabSize: tokenizer.vocabSize,
      positions: positionsOf(encoder),
      featureSize: encoder.featureSize,
      hiddenSize,
      numHeads,
      innerSize,
      numLayers,
      encoderLayers,
      activation,
      norm,
      wordPositions,
      maxPositions,
      tied,
    };
    const defaults = { beamSize: 3, lengthPenalty: 0.9, maxLength: 20, ...generation };
    const random = new Random(seed).fork('decoder');
    return new TransformerCaptioner(encoder, config, random, tokenizer, defaults, dropout, false);
  }

  /**
   * Reads a checkpoint: `config.json`, `vocabulary.json`, `model.safetensors`.
   *
   * @throws DataError that names the file which is missing, damaged or does not fit
   */
  static async load(store: Store): Promise<TransformerCaptioner> {
    const config = await readJSON(store, 'config.json', configSchema);
    const vocabulary = await readJSON(store, 'vocabulary.json', v.unknown());
    const tokenizer = WordTokenizer.fromJSON(vocabulary, `vocabulary.json in ${store.location}`);
    const weights = await readTensors(store, 'model.safetensors');
    const { decoder, generation, dropout } = config;
    const encoder = createEncoder(config.encoder);
    const captioner = new TransformerCaptioner(encoder, decoder, new Random(0), tokenizer, generation, dropout, true);
    try {
      if (tokenizer.vocabSize !== decoder.vocabSize)
        throw new DataError(
          `vocabulary.json in ${store.location} has ${tokenizer.vocabSize} entries but the decoder was built for ${decoder.vocabSize}. Put back the vocabulary that was saved with the weights.`,
        );
      if (encoder.featureSize !== decoder.featureSize || positionsOf(encoder) !== decoder.positions)
        throw new DataError(
          `config.json in ${store.location} describes an encoder with ${positionsOf(encoder)} positions of ${encoder.featureSize} features but a decoder that reads ${decoder.positions} of ${decoder.featureSize}. Put back the configuration that was saved with the weights.`,
        );
      assignStored(captioner.parameters(), weights, `model.safetensors in ${store.location}`);
      return captioner;
    } catch (error) {
      captioner.dispose();
      throw error;
    }
  }

  /** Every trainable number by the name that it has in a checkpoint. */
  parameters(): Map<string, tf.Variable> {
    return new Map([...parametersOf(this.encoder.params, 'encoder'), ...parametersOf(this.decoder.params, 'decoder')]);
  }

  /**
   * Writes a checkpoint.
   *
   * @param options.dtype - `F16` halves the file; scores change in the fourth digit at most, as a rule
   * @param options.card - README.md, the model card
   * @param options.generation - search defaults to write instead of the present ones
   */
  async save(
    store: Store,
    options: { dtype?: 'F32' | 'F16'; card?: string; generation?: Partial<GenerationDefaults> } = {},
  ): Promise<void> {
    const { dtype = 'F32', card = this.plainCard(), generation = {} } = options;
    await writeTensors(store, 'model.safetensors', this.parameters(), dtype);
    await writeJSON(store, 'vocabulary.json', this.tokenizer.toJSON());
    await store.write('README.md', new TextEncoder().encode(card));
    await writeJSON(store, 'config.json', {
      format: 'tfjs-captioning',
      formatVersion: 1,
      architecture: 'transformer',
      encoder: this.encoder.config,
      preprocessing: this.encoder.preprocessing,
      decoder: this.config,
      dropout: this.dropout,
      generation: { ...this.generation, ...generation },
      versions: { 'tfjs-captioning': VERSION, '@tensorflow/tfjs': version_core },
    });
  }

  /** features [images, positions, featureSize] of pictures; belongs to the caller. */
  encode(images: readonly Image[]): Promise<tf.Tensor3D> {
    return encodeImages(this.encoder, images);
  }

  /** Captions pictures: an array for an array, one for one. */
  caption(images: readonly Image[], options?: CaptionOptions): Promise<Caption[]>;
  caption(image: Image, options?: CaptionOptions): Promise<Caption>;
  async caption(images: Image | readonly Image[], options: CaptionOptions = {}): Promise<Caption | Caption[]> {
    if (Array.isArray(images)) return captionImages(this, images, options);
    const [caption] = await captionImages(this, [images as Image], options);
    return caption!;
  }

  /** Captions features [images, positions, featureSize], which stay the caller's. */
  captionFeatures(features: tf.Tensor3D, options: CaptionOptions = {}): Promise<Caption[]> {
    return captionFeatures(this, features, options);
  }

  dispose(): void {
    this.decoder.dispose();
    if (this.ownsEncoder) this.encoder.dispose();
  }

  private plainCard(): string {
    return [
      '# A transformer captioner',
      '',
      `Made with tfjs-captioning ${VERSION}. Encoder: \`${this.encoder.config.type}\`. Vocabulary: ${this.tokenizer.vocabSize} entries.`,
      '',
      'What it was trained on, how well it does and what it must not be used for belongs here.',
      '',
    ].join('\n');
  }
}
