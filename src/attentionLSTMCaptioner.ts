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
import { type CaptionPart, type StreamOptions, streamCaption } from './captioner/stream';
import { DataError, expectWhole, UsageError } from './core/errors';
import { parametersOf } from './core/parameters';
import { Random } from './core/random';
import { whole } from './core/schema';
import type { Image } from './data/types';
import { WordTokenizer } from './data/wordTokenizer';
import { type AttentionLSTMConfig, AttentionLSTMDecoder } from './decoders/attentionLSTM';
import { createEncoder } from './encoders/create';
import type { Encoder } from './encoders/types';
import { assignStored, readJSON, readTensors, writeJSON, writeTensors } from './io/checkpoint';
import type { Store } from './io/types';
import { VERSION } from './version';

/** Sizes have the defaults of the recipe in the README. */
export type AttentionLSTMCaptionerOptions = {
  encoder: Encoder;
  tokenizer: WordTokenizer;
  embeddingSize?: number;
  hiddenSize?: number;
  attentionSize?: number;
  numLayers?: number;
  attentionActivation?: 'tanh' | 'relu';
  contextGate?: boolean;
  deepOutput?: boolean;
  initActivation?: 'tanh' | 'none';
  /** Probability of dropping a value of the word embeddings and of the hidden state in training, in [0, 1). */
  dropout?: number;
  /** How to search by default. */
  generation?: Partial<GenerationDefaults>;
  seed?: number;
};

const decoderSchema = v.object({
  vocabSize: whole,
  featureSize: whole,
  embeddingSize: whole,
  hiddenSize: whole,
  attentionSize: whole,
  numLayers: whole,
  attentionActivation: v.picklist(['tanh', 'relu']),
  contextGate: v.boolean(),
  deepOutput: v.boolean(),
  initActivation: v.picklist(['tanh', 'none']),
});

/** `config.json`. The preprocessing is written for other readers; here the encoder's type implies it. */
const configSchema = v.object({
  format: v.literal('tfjs-captioning'),
  formatVersion: v.literal(1),
  architecture: v.literal('attention-lstm'),
  encoder: v.looseObject({ type: v.string() }),
  decoder: decoderSchema,
  dropout: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
  generation: v.object({ beamSize: whole, lengthPenalty: v.number(), maxLength: whole }),
});

/**
 * A captioner with a convolutional encoder, additive attention and an LSTM: "Show, Attend and Tell".
 *
 * @see Xu et al. 2015, https://arxiv.org/abs/1502.03044
 */
export class AttentionLSTMCaptioner implements Captioner {
  private constructor(
    readonly encoder: Encoder,
    readonly decoder: AttentionLSTMDecoder,
    readonly tokenizer: WordTokenizer,
    readonly generation: GenerationDefaults,
    readonly dropout: number,
    private readonly ownsEncoder: boolean,
  ) {}

  /** A captioner to be trained. The encoder stays the caller's. */
  static create(options: AttentionLSTMCaptionerOptions): AttentionLSTMCaptioner {
    const { encoder, tokenizer, embeddingSize = 300, hiddenSize = 512, attentionSize = 256, numLayers = 1 } = options;
    const { attentionActivation = 'tanh', contextGate = true, deepOutput = false, initActivation = 'tanh' } = options;
    const { dropout = 0.4, generation = {}, seed = 0 } = options;
    for (const [name, size] of Object.entries({ embeddingSize, hiddenSize, attentionSize, numLayers }))
      expectWhole(name, size, 1);
    if (!(dropout >= 0 && dropout < 1))
      throw new UsageError(`dropout is ${dropout} but should be within 0 and 1, such as 0.4.`);
    const config: AttentionLSTMConfig = {
      vocabSize: tokenizer.vocabSize,
      featureSize: encoder.featureSize,
      embeddingSize,
      hiddenSize,
      attentionSize,
      numLayers,
      attentionActivation,
      contextGate,
      deepOutput,
      initActivation,
    };
    const decoder = new AttentionLSTMDecoder(config, new Random(seed).fork('decoder'));
    const defaults = { beamSize: 3, lengthPenalty: 0.9, maxLength: 20, ...generation };
    return new AttentionLSTMCaptioner(encoder, decoder, tokenizer, defaults, dropout, false);
  }

  /**
   * Reads a checkpoint: `config.json`, `vocabulary.json`, `model.safetensors`.
   *
   * @throws DataError that names the file which is missing, damaged or does not fit
   */
  static async load(store: Store): Promise<AttentionLSTMCaptioner> {
    const config = await readJSON(store, 'config.json', configSchema);
    const vocabulary = await readJSON(store, 'vocabulary.json', v.unknown());
    const tokenizer = WordTokenizer.fromJSON(vocabulary, `vocabulary.json in ${store.location}`);
    const weights = await readTensors(store, 'model.safetensors');
    const encoder = createEncoder(config.encoder);
    const decoder = new AttentionLSTMDecoder(config.decoder, new Random(0));
    const captioner = new AttentionLSTMCaptioner(encoder, decoder, tokenizer, config.generation, config.dropout, true);
    try {
      if (tokenizer.vocabSize !== config.decoder.vocabSize)
        throw new DataError(
          `vocabulary.json in ${store.location} has ${tokenizer.vocabSize} entries but the decoder was built for ${config.decoder.vocabSize}. Put back the vocabulary that was saved with the weights.`,
        );
      if (encoder.featureSize !== config.decoder.featureSize)
        throw new DataError(
          `config.json in ${store.location} describes an encoder with ${encoder.featureSize} features per position but a decoder that reads ${config.decoder.featureSize}. Put back the configuration that was saved with the weights.`,
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
      architecture: 'attention-lstm',
      encoder: this.encoder.config,
      preprocessing: this.encoder.preprocessing,
      decoder: this.decoder.config,
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

  /** The caption of a picture word by word, by `greedy()` unless told otherwise; see `streamCaption`. */
  stream(image: Image, options?: StreamOptions): AsyncGenerator<CaptionPart, Caption, undefined> {
    return streamCaption(this, image, options);
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
      '# An attention LSTM captioner',
      '',
      `Made with tfjs-captioning ${VERSION}. Encoder: \`${this.encoder.config.type}\`. Vocabulary: ${this.tokenizer.vocabSize} entries.`,
      '',
      'What it was trained on, how well it does and what it must not be used for belongs here.',
      '',
    ].join('\n');
  }
}
