import * as tf from '@tensorflow/tfjs';
import {
  type Caption,
  type Captioner,
  type CaptionOptions,
  captionBatches,
  captionerParameters,
  captionMemory,
  encodeImages,
} from '../captioner';
import { type CaptionPart, type StreamOptions, streamWords } from '../captioner/stream';
import { expectDropout } from '../core/dropout';
import { DataError, UsageError } from '../core/errors';
import { leaves, type Tree } from '../core/tree';
import type { Tokenizer } from '../data/tokenizer';
import type { Image } from '../data/types';
import { prompted } from '../decoders/prompted';
import type { Search } from '../decoders/search/types';
import { TransformerDecoder } from '../decoders/transformer';
import type { Encoder } from '../encoders/types';
import { type SaveStateDictOptions, saveStateDict } from '../io/saveStateDict';
import type { Store } from '../io/types';
import { searchFromGenerationConfig } from './generationConfig';
import type { PrefixDecoder } from './prefixDecoder';
import { writeFilesBeside } from './pretrainedFiles';

/** A whole model that captions: VisionEncoderDecoder, BLIP, GIT, BLIP-2. */
export interface CaptioningModel {
  readonly encoder: Encoder;
  readonly decoder: TransformerDecoder | PrefixDecoder;
  readonly params: Tree;
  stateDict(): Iterable<[key: string, value: tf.Tensor]>;
  dispose(): void;
}

export type PretrainedParts = {
  model: CaptioningModel;
  /** With the ids that captions of this model begin and end with. */
  tokenizer: Tokenizer;
  /** As `generation_config.json` has it. */
  generationConfig: Record<string, unknown>;
  /** The other files of the folder, `config.json` among them, which are saved with the weights as they are; by name. */
  files: ReadonlyMap<string, Uint8Array>;
  /** Probability of dropping a value in training, in [0, 1). */
  dropout: number;
};

export type PretrainedCaptionOptions = CaptionOptions & {
  /** What captions begin with, such as `a photo of`: one for all pictures, or one for each. It is part of their text. */
  prompt?: string | readonly string[];
};

/**
 * A published captioner with all that its folder holds. It searches as its `generation_config.json` says, so that captions
 * are those of `generate` in transformers, and it is trained like any other captioner.
 */
export class PretrainedCaptioner implements Captioner {
  readonly encoder: Encoder;
  readonly decoder: TransformerDecoder | PrefixDecoder;
  readonly model: CaptioningModel;
  readonly tokenizer: Tokenizer;
  readonly generation: { beamSize: number; lengthPenalty: number; maxLength: number };
  readonly search: Search;
  readonly suppress: readonly number[] = [];
  readonly dropout: number;

  /** The model belongs to the captioner from here on. */
  constructor(private readonly parts: PretrainedParts) {
    const { model, tokenizer, generationConfig, dropout } = parts;
    expectDropout(dropout);
    this.model = model;
    this.encoder = model.encoder;
    this.decoder = model.decoder;
    this.tokenizer = tokenizer;
    this.dropout = dropout;
    const { search, maxLength } = searchFromGenerationConfig(generationConfig);
    this.search = search;
    const { num_beams: beams, length_penalty: penalty } = generationConfig;
    this.generation = { beamSize: (beams as number) ?? 1, lengthPenalty: (penalty as number) ?? 1, maxLength };
  }

  /** Captions pictures: an array for an array, one for one. */
  caption(images: readonly Image[], options?: PretrainedCaptionOptions): Promise<Caption[]>;
  caption(image: Image, options?: PretrainedCaptionOptions): Promise<Caption>;
  async caption(
    images: Image | readonly Image[],
    options: PretrainedCaptionOptions = {},
  ): Promise<Caption | Caption[]> {
    const { prompt, ...others } = options;
    const count = Array.isArray(images) ? images.length : 1;
    if (Array.isArray(prompt) && prompt.length !== count)
      throw new UsageError(`There are ${prompt.length} prompts for ${count} pictures; give one, or one for each.`);
    return captionBatches(this.encoder, images, options, (features, start) => {
      const here = Array.isArray(prompt) ? prompt.slice(start, start + features.shape[0]) : prompt;
      return this.captionFeatures(features, { ...others, ...(here !== undefined && { prompt: here }) });
    });
  }

  /** The caption of a picture word by word, by `greedy()` unless told otherwise, after the prompt if there is one; see `streamCaption`. */
  stream(
    image: Image,
    options: StreamOptions & { prompt?: string } = {},
  ): AsyncGenerator<CaptionPart, Caption, undefined> {
    const { prompt, ...others } = options;
    const begun = prompt === undefined ? [] : this.tokenizer.encode(prompt);
    const { tokenizer, encoder } = this;
    const spoken: Tokenizer = {
      ...idsOf(tokenizer),
      ...wordsOf(tokenizer),
      decode: (tokens) => tokenizer.decode([...begun, ...tokens]),
    };
    return streamWords({ tokenizer: spoken, encoder }, others, async (asked) => {
      const features = await encodeImages(encoder, [image]);
      try {
        const [caption] = await this.captionFeatures(features, { ...asked, ...(prompt !== undefined && { prompt }) });
        return caption!;
      } finally {
        features.dispose();
      }
    });
  }

  /** Captions features [images, positions, featureSize], which stay the caller's. */
  async captionFeatures(features: tf.Tensor3D, options: PretrainedCaptionOptions = {}): Promise<Caption[]> {
    const { prompt, ...asked } = options;
    const images = features.shape[0];
    const prompts = typeof prompt === 'string' ? new Array<string>(images).fill(prompt) : prompt;
    const words = prompts?.map((text) => this.tokenizer.encode(text));
    const { startId } = this.tokenizer;
    const begun = words?.map((ids) => [startId, ...ids]);
    const memory = tf.tidy(() => this.remember(features, begun)) as Tree;
    const decoder = begun && this.decoder instanceof TransformerDecoder ? prompted(this.decoder, begun) : this.decoder;
    try {
      const length = Math.max(1, ...(begun ?? []).map((ids) => ids.length));
      const { search, maxLength } = searchFromGenerationConfig(this.parts.generationConfig, length);
      const captions = await captionMemory({ ...this.source, decoder }, memory, images, {
        ...{ search, maxLength },
        ...asked,
        ...(begun && { prompts: begun }),
      });
      return words ? captions.map((caption, i) => this.withPrompt(caption, words[i]!)) : captions;
    } finally {
      for (const tensor of leaves(memory).values()) if (tensor !== features) tensor.dispose();
    }
  }

  /** Every trainable number by its path, as `train` names them. */
  parameters(): Map<string, tf.Variable> {
    return captionerParameters(this);
  }

  /**
   * Writes a folder that transformers in Python loads with `from_pretrained`, and `fromPretrained` here.
   *
   * @param options.dtype - half precision takes half the place
   * @throws UsageError while there are adapters that are not merged
   */
  async savePretrained(store: Store, options: Omit<SaveStateDictOptions, 'dispose'> = {}): Promise<void> {
    if ([...this.parameters().keys()].some((name) => name.includes('.lora.')))
      throw new UsageError(
        'Adapters are no part of the published format. Fold them into the weights first: lora.merge().',
      );
    await saveStateDict(store, this.model.stateDict(), { ...options, dispose: true });
    await writeFilesBeside(store, this.parts.files, options.dtype);
  }

  dispose(): void {
    this.model.dispose();
  }

  private get source() {
    const { tokenizer, generation, encoder, search, suppress } = this;
    return { tokenizer, generation, encoder, search, suppress };
  }

  private remember(features: tf.Tensor3D, prompts: number[][] | undefined): Tree {
    const { decoder } = this;
    if (decoder instanceof TransformerDecoder || !prompts) return decoder.remember(features);
    return decoder.continueFrom(decoder.remember(features), prompts);
  }

  private withPrompt(caption: Caption, words: readonly number[]): Caption {
    const spoken = (tokens: readonly number[]) => this.tokenizer.decode([...words, ...tokens]);
    const { alternatives } = caption;
    return {
      ...caption,
      text: spoken(caption.tokens),
      ...(alternatives && { alternatives: alternatives.map((other) => ({ ...other, text: spoken(other.tokens) })) }),
    };
  }
}

/** The tokenizer with other ids for start, end and padding: those that the model was trained with. */
export function withIds(
  tokenizer: Tokenizer,
  { startId, endId, padId }: { startId: number | undefined; endId: readonly number[]; padId: number | undefined },
  where: string,
): Tokenizer {
  if (endId.length > 1)
    throw new DataError(
      `${where} names ${endId.length} tokens that end a caption (eos_token_id), but one is supported.`,
    );
  const ids = idsOf(tokenizer);
  return {
    ...ids,
    startId: startId ?? ids.startId,
    endId: endId[0] ?? ids.endId,
    padId: padId ?? ids.padId,
    ...wordsOf(tokenizer),
  };
}

const idsOf = ({ vocabSize, padId, startId, endId, unknownId }: Tokenizer) => ({
  ...{ vocabSize, padId, startId, endId, unknownId },
});

const wordsOf = (tokenizer: Tokenizer) => ({
  encode: (caption: string) => tokenizer.encode(caption),
  words: (tokens: readonly number[]) => tokenizer.words(tokens),
  decode: (tokens: readonly number[]) => tokenizer.decode(tokens),
});
