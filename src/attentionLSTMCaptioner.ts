import type * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import { additive } from './attention/additive';
import { type AttentionName, attentionOf } from './attention/create';
import type { AnyAttention, Grid } from './attention/mechanism';
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
import { expectOneOf, expectWhole, UsageError } from './core/errors';
import { Random } from './core/random';
import { CELLS, type CellName } from './core/recurrent';
import { whole } from './core/schema';
import type { Image } from './data/types';
import { type AttentionLSTMConfig, AttentionLSTMDecoder } from './decoders/attentionLSTM';
import { LOOKS, type Look } from './decoders/attentionLSTMParams';
import type { Encoder } from './encoders/types';
import type { Store } from './io/types';

/** Sizes have the defaults of the recipe in the README. */
export type AttentionLSTMCaptionerOptions = StartingValues & {
  encoder: Encoder;
  tokenizer: CaptionTokenizer;
  /** Default: that of `wordVectors`, or 300. */
  embeddingSize?: number;
  hiddenSize?: number;
  attentionSize?: number;
  /** Of recurrent layers. Default 1; 2 with `look: 'between'`. */
  numLayers?: number;
  /** How the picture is looked at: a name, such as `multi-head`, or a mechanism, your own too. Default `additive`. */
  attention?: AttentionName | AnyAttention;
  /** Of `additive` attention, where that is given by its name. */
  attentionActivation?: 'tanh' | 'relu';
  /**
   * When: `before` the recurrent layers, `between` two of them (Up-Down) or `after` them. Default `before`; `after` for attention
   * that goes by what the layer just made, such as `adaptive`.
   */
  look?: Look;
  /** Default `lstm`. */
  cell?: CellName;
  /** A gate on what is seen. By default there is one before the recurrent layers, but not for `hard` attention. */
  contextGate?: boolean;
  deepOutput?: boolean;
  /** Whether the output layer is the table of the embedding, which needs equal sizes or `deepOutput`. */
  tied?: boolean;
  initActivation?: 'tanh' | 'none';
  /** Probability of dropping a value of the word embeddings and of the hidden state in training, in [0, 1). */
  dropout?: number;
  /** How to search by default. */
  generation?: Partial<GenerationDefaults>;
  seed?: number;
};

/** What a checkpoint cannot make by itself: parts of your own. */
export type AttentionLSTMLoadOptions = LoadParts & { attention?: AnyAttention };

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
  attention: v.exactOptional(v.looseObject({ type: v.string() })),
  look: v.exactOptional(v.picklist(LOOKS)),
  cell: v.exactOptional(v.picklist(CELLS)),
  tied: v.exactOptional(v.boolean()),
  grid: v.exactOptional(v.tuple([whole, whole])),
});

/**
 * A captioner with recurrent layers that looks at the picture at every word: by default with additive attention and an LSTM,
 * "Show, Attend and Tell".
 *
 * @see Xu et al. 2015, https://arxiv.org/abs/1502.03044; `AttentionLSTMDecoder` for the other ways
 */
export class AttentionLSTMCaptioner implements Captioner {
  private constructor(
    readonly encoder: Encoder,
    readonly decoder: AttentionLSTMDecoder,
    readonly tokenizer: CaptionTokenizer,
    readonly generation: GenerationDefaults,
    readonly dropout: number,
    private readonly ownsEncoder: boolean,
  ) {}

  /** A captioner to be trained. The encoder stays the caller's. */
  static create(options: AttentionLSTMCaptionerOptions): AttentionLSTMCaptioner {
    const { encoder, tokenizer, hiddenSize = 512, attentionSize = 256, attentionActivation = 'tanh' } = options;
    const attention = attentionOf(
      options.attention === undefined || options.attention === 'additive'
        ? additive(attentionActivation)
        : options.attention,
    );
    const { look = attention.afterLayer ? 'after' : 'before', cell = 'lstm', tied = false } = options;
    const { numLayers = look === 'between' ? 2 : 1, deepOutput = false, initActivation = 'tanh' } = options;
    const { contextGate = look === 'before' && !attention.chooses, dropout = 0.4, generation, seed = 0 } = options;
    const embeddingSize = embeddingSizeOf(options, options.embeddingSize, 300);
    for (const [name, size] of Object.entries({ embeddingSize, hiddenSize, attentionSize, numLayers }))
      expectWhole(name, size, 1);
    expectDropout(dropout);
    expectStartingValues(options, tokenizer.vocabSize);
    expectOneOf('look', look, LOOKS);
    expectOneOf('cell', cell, CELLS);
    const ofAdditive = attention.config.type === 'additive';
    if (options.attentionActivation && (options.attention ?? 'additive') !== 'additive')
      throw new UsageError("attentionActivation belongs to attention: 'additive' by its name.");
    const config: AttentionLSTMConfig = {
      vocabSize: tokenizer.vocabSize,
      featureSize: encoder.featureSize,
      embeddingSize,
      hiddenSize,
      attentionSize,
      numLayers,
      attentionActivation: ofAdditive ? (attention.config.activation as 'tanh' | 'relu') : attentionActivation,
      contextGate,
      deepOutput,
      initActivation,
      ...(!ofAdditive && { attention: attention.config }),
      ...(look !== 'before' && { look }),
      ...(cell !== 'lstm' && { cell }),
      ...(tied && { tied }),
      ...(attention.placed && { grid: gridOf(encoder) }),
    };
    const decoder = new AttentionLSTMDecoder(config, new Random(seed).fork('decoder'), attention);
    startFrom(decoder.params, options);
    const defaults = generationDefaults(generation);
    return new AttentionLSTMCaptioner(encoder, decoder, tokenizer, defaults, dropout, false);
  }

  /**
   * Reads a checkpoint: `config.json`, `vocabulary.json`, `model.safetensors`.
   *
   * @param parts - an encoder or a mechanism of your own, where it was made with one
   * @throws DataError that names the file which is missing, damaged or does not fit; UsageError where a part is needed that was
   * not given
   */
  static load(store: Store, parts: AttentionLSTMLoadOptions = {}): Promise<AttentionLSTMCaptioner> {
    return readCaptioner(
      store,
      { ...KIND, decoder: decoderSchema },
      ({ encoder, decoder, tokenizer, generation, dropout, ownsEncoder }) =>
        new AttentionLSTMCaptioner(
          encoder,
          new AttentionLSTMDecoder(decoder, new Random(0), parts.attention),
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

/** Where the encoder has positions beside those of its grid, places are one row. */
function gridOf({ grid: [rows, columns], leading = 0 }: Encoder): Grid {
  return leading > 0 ? [1, leading + rows * columns] : [rows, columns];
}
