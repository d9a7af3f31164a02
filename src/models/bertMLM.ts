import type * as tf from '@tensorflow/tfjs';
import * as v from 'valibot';
import { attentionBias } from '../attention/attentionBias';
import { type Dropout, dropout } from '../core/dropout';
import { layerNorm } from '../core/layerNorm';
import { Random } from '../core/random';
import { count, readConfig } from '../core/schema';
import { createParams, loadParams, type ParamsOf, stateDict, type WeightSource } from '../core/spec';
import { disposeTree } from '../core/tree';
import { type BertConfig, bertDecoderSpec, readBertConfig } from '../decoders/bert';
import {
  bertLayerConfig,
  bertName,
  embedTexts,
  type GuessedWords,
  guessWords,
  type Stream,
  throughLayers,
} from './bertEncoder';
import type { TextInput } from './textAndRegions';

export type BertMLMConfig = BertConfig & {
  /** The token whose embedding is not learned; undefined where there is none. */
  padId: number | undefined;
};

const schema = v.object({
  pad_token_id: v.optional(v.nullable(count), 0),
  is_decoder: v.optional(v.literal(false), false),
  add_cross_attention: v.optional(v.literal(false), false),
});

/**
 * Reads the `config.json` of transformers' `BertForMaskedLM`.
 *
 * @throws DataError for what is no such configuration, or has settings that are not supported
 */
export function readBertMLMConfig(json: unknown): BertMLMConfig {
  const { pad_token_id } = readConfig(schema, json, 'configuration of BERT');
  return { ...readBertConfig(json), padId: pad_token_id ?? undefined };
}

/** Of `BertForMaskedLM`: the same parameters as BERT has as a decoder that looks at nothing. */
export const bertMLMSpec = (config: BertMLMConfig) => bertDecoderSpec(config);

export type BertMLMParams = ParamsOf<ReturnType<typeof bertMLMSpec>>;

/** What stands beside masked words in files of `BertForPreTraining` is passed over. */
const rename = (name: string) => (/^(bert\.pooler|cls\.seq_relationship)\./.test(name) ? undefined : bertName(name));

/**
 * BERT that guesses masked words, such as `bert-base-uncased`: every word sees all others.
 *
 * @see Devlin et al. 2019, https://arxiv.org/abs/1810.04805; transformers, `BertForMaskedLM`
 */
export class BertMLM {
  /** @param params - by default drawn from `random`; they belong to the model from here on */
  constructor(
    readonly config: BertMLMConfig,
    random: Random,
    readonly params: BertMLMParams = createParams(bertMLMSpec(config), random),
  ) {}

  /** @throws DataError with everything in the file that is missing, unexpected or of another shape */
  static async load(config: BertMLMConfig, source: WeightSource, random = new Random(0)): Promise<BertMLM> {
    return new BertMLM(config, random, await loadParams(bertMLMSpec(config), source, random, { rename }));
  }

  /** @throws UsageError for texts that are longer than the model has places for; RangeError for shapes that do not fit */
  read(texts: TextInput, drop?: Dropout): Stream {
    const { params, config } = this;
    const sum = embedTexts(params.bert, texts, { words: config.padId });
    const x = dropout(layerNorm(params.bert.norm, sum, config.epsilon), drop, 'embeddings');
    const bias = attentionBias({ queries: texts.ids.shape[1], keyPaddingMask: texts.keyPaddingMask });
    return throughLayers(params.bert.layers, x, bertLayerConfig(config), { bias, drop });
  }

  /**
   * Words at places of the last hidden states of `read`.
   *
   * @param places - int32 indices row * time + t; all places without it
   */
  guess(hidden: tf.Tensor3D, places?: tf.Tensor1D): GuessedWords {
    const { head, bert } = this.params;
    return guessWords({ head, words: bert.words }, this.config, hidden, places);
  }

  /** The parameters as PyTorch has them; the tensors belong to the caller. */
  stateDict(): Generator<[key: string, value: tf.Tensor]> {
    return stateDict(bertMLMSpec(this.config), this.params);
  }

  dispose(): void {
    disposeTree(this.params);
  }
}
