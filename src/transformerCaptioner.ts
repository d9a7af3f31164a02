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
import { type MetadataOptions, type MetadataReading, metadataReading } from './captioner/metadata';
import { type CaptionPart, type StreamOptions, streamCaption } from './captioner/stream';
import type { CaptionTokenizer } from './captioner/tokenizerFiles';
import { expectDropout } from './core/dropout';
import { DataError, expectWhole, UsageError } from './core/errors';
import { Random } from './core/random';
import { whole } from './core/schema';
import { createParams } from './core/spec';
import type { Image } from './data/types';
import { type PlainTransformerConfig, plainTransformerParts, plainTransformerSpec } from './decoders/plainTransformer';
import { TransformerDecoder } from './decoders/transformer';
import type { Encoder } from './encoders/types';
import type { Store } from './io/types';

/** The defaults are those of a small model for some ten thousand pictures. */
export type TransformerCaptionerOptions = {
  encoder: Encoder;
  tokenizer: CaptionTokenizer;
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
  /** What it reads of the metadata of pictures, to be trained by `metadataPrompted` with the same; see `captionWithMetadata`. */
  metadata?: MetadataOptions;
  seed?: number;
};

const KIND = { architecture: 'transformer', title: 'A transformer captioner' };

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

/** Metadata stands before a caption between two start tokens, and takes places of it. */
function expectRoom(
  { maxPositions }: PlainTransformerConfig,
  { maxLength }: GenerationDefaults,
  metadata: MetadataReading | undefined,
): void {
  if (!metadata) return;
  const needed = 2 + metadata.maxTokens + maxLength;
  if (maxPositions < needed)
    throw new UsageError(
      `maxPositions is ${maxPositions} but ${metadata.maxTokens} tokens of metadata and ${maxLength} of a caption need ${needed}.`,
    );
}

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
    readonly tokenizer: CaptionTokenizer,
    readonly generation: GenerationDefaults,
    readonly dropout: number,
    readonly metadata: MetadataReading | undefined,
    private readonly ownsEncoder: boolean,
  ) {
    const params = createParams(plainTransformerSpec(config), random);
    this.decoder = new TransformerDecoder(plainTransformerParts(params, config));
  }

  /** A captioner to be trained. The encoder stays the caller's. */
  static create(options: TransformerCaptionerOptions): TransformerCaptioner {
    const { encoder, tokenizer, hiddenSize = 256, numHeads = 4, innerSize = 4 * hiddenSize, numLayers = 3 } = options;
    const { encoderLayers = 1, activation = 'gelu', norm = 'pre', wordPositions = 'learned' } = options;
    const { maxPositions = 64, tied = true, dropout = 0.1, generation, seed = 0 } = options;
    for (const [name, size] of Object.entries({ hiddenSize, numHeads, innerSize, numLayers, maxPositions }))
      expectWhole(name, size, 1);
    expectWhole('encoderLayers', encoderLayers, 0);
    if (hiddenSize % numHeads !== 0)
      throw new UsageError(`hiddenSize is ${hiddenSize} but should be a multiple of numHeads, ${numHeads}.`);
    expectDropout(dropout);
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
    const defaults = generationDefaults(generation);
    const random = new Random(seed).fork('decoder');
    const metadata = options.metadata && metadataReading(options.metadata);
    expectRoom(config, defaults, metadata);
    return new TransformerCaptioner(encoder, config, random, tokenizer, defaults, dropout, metadata, false);
  }

  /**
   * Reads a checkpoint: `config.json`, `vocabulary.json`, `model.safetensors`.
   *
   * @param parts - an encoder of your own, where it was made with one
   * @throws DataError that names the file which is missing, damaged or does not fit
   */
  static load(store: Store, parts: LoadParts = {}): Promise<TransformerCaptioner> {
    return readCaptioner(
      store,
      { ...KIND, decoder: decoderSchema },
      ({ encoder, decoder, tokenizer, generation, dropout, metadata, ownsEncoder }) => {
        if (positionsOf(encoder) !== decoder.positions)
          throw new DataError(
            `config.json in ${store.location} describes an encoder with ${positionsOf(encoder)} positions but a decoder that reads ${decoder.positions}. Put back the configuration that was saved with the weights.`,
          );
        const random = new Random(0);
        return new TransformerCaptioner(
          encoder,
          decoder,
          random,
          tokenizer,
          generation,
          dropout,
          metadata,
          ownsEncoder,
        );
      },
      parts,
    );
  }

  /** Every trainable number by the name that it has in a checkpoint. */
  parameters(): Map<string, tf.Variable> {
    return captionerParameters(this);
  }

  /** Writes a checkpoint. */
  save(store: Store, options?: SaveOptions): Promise<void> {
    return writeCaptioner(store, this, { ...KIND, decoder: this.config }, options);
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
