import type * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import {
  type Caption,
  type Captioner,
  type CaptionOptions,
  captionerParameters,
  captionFeatures,
  captionImages,
  encodeImages,
  type GenerationDefaults,
} from './captioner';
import { readCaptioner, type SaveOptions, writeCaptioner } from './captioner/checkpoint';
import { type CaptionPart, type StreamOptions, streamCaption } from './captioner/stream';
import { expectDropout } from './core/dropout';
import { expectWhole } from './core/errors';
import { Random } from './core/random';
import { whole } from './core/schema';
import type { Image } from './data/types';
import type { WordTokenizer } from './data/wordTokenizer';
import { type AttentionLSTMConfig, AttentionLSTMDecoder } from './decoders/attentionLSTM';
import type { Encoder } from './encoders/types';
import type { Store } from './io/types';

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

const KIND = { architecture: 'attention-lstm', title: 'An attention LSTM captioner' };

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
    expectDropout(dropout);
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
  static load(store: Store): Promise<AttentionLSTMCaptioner> {
    return readCaptioner(
      store,
      { ...KIND, decoder: decoderSchema },
      ({ encoder, decoder, tokenizer, generation, dropout }) =>
        new AttentionLSTMCaptioner(
          encoder,
          new AttentionLSTMDecoder(decoder, new Random(0)),
          tokenizer,
          generation,
          dropout,
          true,
        ),
    );
  }

  /** Every trainable number by the name that it has in a checkpoint. */
  parameters(): Map<string, tf.Variable> {
    return captionerParameters(this);
  }

  /** Writes a checkpoint. */
  save(store: Store, options?: SaveOptions): Promise<void> {
    return writeCaptioner(store, this, { ...KIND, decoder: this.decoder.config }, options);
  }

  /** features [images, positions, featureSize] of pictures; belongs to the caller. */
  encode(images: readonly Image[]): Promise<tf.Tensor3D> {
    return encodeImages(this.encoder, images);
  }

  /** Captions pictures: an array for an array, one for one. */
  caption(images: readonly Image[], options?: CaptionOptions): Promise<Caption[]>;
  caption(image: Image, options?: CaptionOptions): Promise<Caption>;
  caption(images: Image | readonly Image[], options?: CaptionOptions): Promise<Caption | Caption[]> {
    return captionImages(this, images, options);
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
}
