import * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import {
  type Caption,
  type Captioner,
  type CaptionOptions,
  captionerParameters,
  captionFeatures,
  captionImages,
  type GenerationDefaults,
  generationDefaults,
} from '../captioner';
import { formatEntries } from '../captioner/checkpoint';
import { expectDropout } from '../core/dropout';
import { DataError, expectWhole, UsageError } from '../core/errors';
import { parametersOf } from '../core/parameters';
import { Random } from '../core/random';
import { whole } from '../core/schema';
import { createParams } from '../core/spec';
import type { Tokenizer } from '../data/tokenizer';
import type { Image } from '../data/types';
import { type GPT2Config, type GPT2Params, gpt2Parts, gpt2Spec } from '../decoders/gpt2';
import type { Encoder } from '../encoders/types';
import { assignStored, readJSON, readTensors, writeJSON, writeTensors } from '../io/checkpoint';
import type { Store } from '../io/types';
import { PrefixDecoder } from './prefixDecoder';
import {
  type PrefixMapperConfig,
  type PrefixMapperParams,
  type PrefixMapping,
  prefixMapper,
  prefixMapperSpec,
} from './prefixMapper';

export type PrefixCaptionerOptions = {
  /** Such as `ClipPictureEncoder`; it stays the caller's. */
  encoder: Encoder;
  /** That of the language model. */
  tokenizer: Tokenizer;
  /** GPT-2: its configuration and, where it is not to be trained from scratch, its weights, which belong to the captioner then. */
  language: { config: GPT2Config; params?: GPT2Params };
  /** By default a network of two layers. */
  mapping?: PrefixMapping;
  /** Tokens that a picture becomes. */
  prefixLength?: number;
  /** Probability of dropping a value in training, in [0, 1). */
  dropout?: number;
  /** How to search by default. */
  generation?: Partial<GenerationDefaults>;
  seed?: number;
};

const configSchema = v.object({
  ...formatEntries,
  architecture: v.literal('prefix'),
  language: v.object({
    vocabSize: whole,
    hiddenSize: whole,
    numLayers: whole,
    numHeads: whole,
    innerSize: whole,
    maxPositions: whole,
    activation: v.string(),
    epsilon: v.number(),
    scaled: v.boolean(),
    scaledByLayer: v.boolean(),
    tied: v.boolean(),
    cross: v.boolean(),
    featureSize: whole,
  }),
  mapping: v.variant('type', [
    v.object({ type: v.literal('mlp') }),
    v.object({ type: v.literal('transformer'), numLayers: whole, numHeads: whole, tokens: whole }),
  ]),
  prefixLength: whole,
});

/**
 * A language model that captions: a picture becomes a few tokens which GPT-2 reads before its words. The mapper is trained,
 * GPT-2 with it or, `trainOnly(captioner.parameters(), /\.mapper\./)`, not.
 *
 * @see Mokady et al. 2021, "ClipCap", https://arxiv.org/abs/2111.09734. Departure: a start token stands between picture
 * and caption, as in the other captioners here.
 */
export class PrefixCaptioner implements Captioner {
  readonly decoder: PrefixDecoder;
  readonly encoder: Encoder;
  readonly tokenizer: Tokenizer;
  readonly generation: GenerationDefaults;
  readonly dropout: number;
  private readonly languageConfig: GPT2Config;
  private readonly mapperConfig: PrefixMapperConfig;

  private constructor(options: PrefixCaptionerOptions) {
    const { encoder, tokenizer, language, mapping = { type: 'mlp' }, prefixLength = 10 } = options;
    const { dropout = 0.1, generation, seed = 0 } = options;
    expectWhole('prefixLength', prefixLength, 1);
    expectDropout(dropout);
    if (prefixLength >= language.config.maxPositions)
      throw new UsageError(
        `prefixLength is ${prefixLength}, but the language model has places for ${language.config.maxPositions} tokens in all.`,
      );
    if (mapping.type === 'transformer' && language.config.hiddenSize % mapping.numHeads !== 0)
      throw new UsageError(
        `numHeads is ${mapping.numHeads} but should divide the language model's size, ${language.config.hiddenSize}.`,
      );
    this.encoder = encoder;
    this.tokenizer = tokenizer;
    this.dropout = dropout;
    this.generation = generationDefaults(generation);
    this.languageConfig = { ...language.config, cross: false };
    const { hiddenSize } = language.config;
    this.mapperConfig = { featureSize: encoder.featureSize, hiddenSize, length: prefixLength, mapping };
    const random = new Random(seed);
    const words = language.params ?? createParams(gpt2Spec(this.languageConfig), random.fork('language'));
    const mapper = createParams(prefixMapperSpec(this.mapperConfig), random.fork('mapper'));
    this.decoder = prefixDecoder(words, mapper, this.languageConfig, this.mapperConfig);
  }

  /** A captioner whose mapper is to be trained. */
  static create(options: PrefixCaptionerOptions): PrefixCaptioner {
    return new PrefixCaptioner(options);
  }

  /**
   * Reads what `save` wrote: the language model and the mapper.
   *
   * @param given - the encoder and the tokenizer that it was saved with; both stay the caller's
   * @throws DataError that names the file which is missing, damaged or does not fit
   */
  static async load(store: Store, given: { encoder: Encoder; tokenizer: Tokenizer }): Promise<PrefixCaptioner> {
    const { language, mapping, prefixLength, dropout, generation } = await readJSON(store, 'config.json', configSchema);
    if (given.tokenizer.vocabSize > language.vocabSize)
      throw new DataError(
        `The tokenizer has ${given.tokenizer.vocabSize} entries but the language model ${language.vocabSize}.`,
      );
    const weights = await readTensors(store, 'model.safetensors');
    const options = { ...given, language: { config: language }, mapping, prefixLength, dropout, generation };
    const captioner = new PrefixCaptioner(options);
    try {
      const parameters = parametersOf(captioner.decoder.params, 'decoder');
      assignStored(parameters, weights, `model.safetensors in ${store.location}`);
      return captioner;
    } catch (error) {
      captioner.dispose();
      throw error;
    }
  }

  /** Writes the language model and the mapper; encoder and tokenizer are kept elsewhere. */
  async save(store: Store, { dtype = 'F32' }: { dtype?: 'F32' | 'F16' } = {}): Promise<void> {
    await writeTensors(store, 'model.safetensors', parametersOf(this.decoder.params, 'decoder'), dtype);
    await writeJSON(store, 'config.json', {
      format: 'tfjs-captioning',
      formatVersion: 1,
      architecture: 'prefix',
      language: this.languageConfig,
      mapping: this.mapperConfig.mapping,
      prefixLength: this.mapperConfig.length,
      dropout: this.dropout,
      generation: this.generation,
    });
  }

  /** Every trainable number by its path; the mapper's begin with `decoder.mapper.`. */
  parameters(): Map<string, tf.Variable> {
    return captionerParameters(this);
  }

  /** Captions pictures: an array for an array, one for one. */
  caption(images: readonly Image[], options?: CaptionOptions): Promise<Caption[]>;
  caption(image: Image, options?: CaptionOptions): Promise<Caption>;
  caption(images: Image | readonly Image[], options?: CaptionOptions): Promise<Caption | Caption[]> {
    return captionImages(this, images, options);
  }

  /** Captions features [images, positions, featureSize], which stay the caller's. */
  captionFeatures(features: tf.Tensor3D, options: CaptionOptions = {}): Promise<Caption[]> {
    return captionFeatures(this, features, options);
  }

  /** Releases the language model and the mapper. */
  dispose(): void {
    this.decoder.dispose();
  }
}

/** GPT-2 that reads what the mapper makes of a picture before its words. */
function prefixDecoder(
  language: GPT2Params,
  mapper: PrefixMapperParams,
  languageConfig: GPT2Config,
  mapperConfig: PrefixMapperConfig,
): PrefixDecoder {
  const { length, hiddenSize } = mapperConfig;
  return new PrefixDecoder({
    ...gpt2Parts(language, languageConfig),
    params: { language, mapper },
    prefix: (features) =>
      tf.add(prefixMapper(mapper, mapperConfig, features), tf.slice(language.places, [0, 0], [length, hiddenSize])),
    causalPrefix: true,
    prefixHasPlaces: true,
  });
}
