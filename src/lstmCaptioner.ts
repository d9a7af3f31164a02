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
  generationDefaults,
} from './captioner';
import { type LoadParts, readCaptioner, type SaveOptions, writeCaptioner } from './captioner/checkpoint';
import { embeddingSizeOf, expectStartingValues, type StartingValues, startFrom } from './captioner/startingValues';
import { type CaptionPart, type StreamOptions, streamCaption } from './captioner/stream';
import type { CaptionTokenizer } from './captioner/tokenizerFiles';
import { expectDropout } from './core/dropout';
import { expectOneOf, expectWhole } from './core/errors';
import { Random } from './core/random';
import { CELLS, type CellName } from './core/recurrent';
import { whole } from './core/schema';
import type { Image } from './data/types';
import { INJECTIONS, type Injection, LSTMDecoder, type LSTMDecoderConfig } from './decoders/lstm';
import type { Encoder } from './encoders/types';
import type { Store } from './io/types';

export type LSTMCaptionerOptions = StartingValues & {
  encoder: Encoder;
  tokenizer: CaptionTokenizer;
  /** Where the picture enters. Default `init`. */
  injection?: Injection;
  /** Default `lstm`. */
  cell?: CellName;
  /** Default: that of `wordVectors`, or 300. */
  embeddingSize?: number;
  hiddenSize?: number;
  numLayers?: number;
  /** Whether the output layer is the table of the embedding, which needs equal sizes. */
  tied?: boolean;
  /** Probability of dropping a value of the picture, the word embeddings and the hidden state in training, in [0, 1). */
  dropout?: number;
  /** How to search by default. */
  generation?: Partial<GenerationDefaults>;
  seed?: number;
};

const KIND = { architecture: 'lstm', title: 'An LSTM captioner' };

const decoderSchema = v.object({
  vocabSize: whole,
  featureSize: whole,
  embeddingSize: whole,
  hiddenSize: whole,
  numLayers: whole,
  cell: v.picklist(CELLS),
  injection: v.picklist(INJECTIONS),
  tied: v.boolean(),
});

/**
 * A captioner without attention: it sees the picture as one vector, and recurrent layers say the words.
 *
 * @see `LSTMDecoder`
 */
export class LSTMCaptioner implements Captioner {
  private constructor(
    readonly encoder: Encoder,
    readonly decoder: LSTMDecoder,
    readonly tokenizer: CaptionTokenizer,
    readonly generation: GenerationDefaults,
    readonly dropout: number,
    private readonly ownsEncoder: boolean,
  ) {}

  /** A captioner to be trained. The encoder stays the caller's. */
  static create(options: LSTMCaptionerOptions): LSTMCaptioner {
    const { encoder, tokenizer, injection = 'init', cell = 'lstm', hiddenSize = 512, numLayers = 1 } = options;
    const { tied = false, dropout = 0.4, generation, seed = 0 } = options;
    const embeddingSize = embeddingSizeOf(options, options.embeddingSize, 300);
    for (const [name, size] of Object.entries({ embeddingSize, hiddenSize, numLayers })) expectWhole(name, size, 1);
    expectOneOf('injection', injection, INJECTIONS);
    expectOneOf('cell', cell, CELLS);
    expectDropout(dropout);
    expectStartingValues(options, tokenizer.vocabSize);
    const sizes = { embeddingSize, hiddenSize, numLayers };
    const config: LSTMDecoderConfig = {
      vocabSize: tokenizer.vocabSize,
      featureSize: encoder.featureSize,
      ...sizes,
      ...{ cell, injection, tied },
    };
    const decoder = new LSTMDecoder(config, new Random(seed).fork('decoder'));
    startFrom(decoder.params, options);
    const defaults = generationDefaults(generation);
    return new LSTMCaptioner(encoder, decoder, tokenizer, defaults, dropout, false);
  }

  /**
   * Reads a checkpoint: `config.json`, `vocabulary.json`, `model.safetensors`.
   *
   * @param parts - an encoder of your own, where it was made with one
   * @throws DataError that names the file which is missing, damaged or does not fit
   */
  static load(store: Store, parts: LoadParts = {}): Promise<LSTMCaptioner> {
    return readCaptioner(
      store,
      { ...KIND, decoder: decoderSchema },
      ({ encoder, decoder, tokenizer, generation, dropout, ownsEncoder }) =>
        new LSTMCaptioner(
          encoder,
          new LSTMDecoder(decoder, new Random(0)),
          tokenizer,
          generation,
          dropout,
          ownsEncoder,
        ),
      parts,
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
