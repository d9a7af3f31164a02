import * as v from 'valibot';
import { DataError } from '../core/errors';
import { readConfig } from '../core/schema';
import { type BertConfig, readBertConfig } from '../decoders/bert';
import { type GPT2Config, readGPT2Config } from '../decoders/gpt2';
import { readViTConfig, type ViTConfig } from '../encoders/vitConfig';

export type VisionEncoderDecoderConfig = {
  encoder: ViTConfig;
  decoder: ({ type: 'gpt2' } & GPT2Config) | ({ type: 'bert' } & BertConfig);
  /** Whether features are projected to the size of the decoder. */
  projected: boolean;
};

const schema = v.object({
  model_type: v.optional(v.literal('vision-encoder-decoder'), 'vision-encoder-decoder'),
  encoder: v.looseObject({
    model_type: v.literal('vit', (issue) => `is ${issue.received}, but only "vit" is supported`),
  }),
  decoder: v.looseObject({
    model_type: v.picklist(
      ['gpt2', 'bert'],
      (issue) => `is ${issue.received}, but only "gpt2" and "bert" are supported`,
    ),
    add_cross_attention: v.optional(v.boolean(), false),
    cross_attention_hidden_size: v.optional(v.nullable(v.number())),
  }),
});

/**
 * Reads the `config.json` of transformers' VisionEncoderDecoder.
 *
 * @throws DataError for what is no such configuration, or a kind of encoder or decoder that is not supported
 */
export function readVisionEncoderDecoderConfig(json: unknown): VisionEncoderDecoderConfig {
  const config = readConfig(schema, json, 'configuration of the VisionEncoderDecoder');
  if (!config.decoder.add_cross_attention)
    throw new DataError('The decoder has add_cross_attention false, so it would never look at the picture.');
  const encoder = readViTConfig(config.encoder);
  const given = config.decoder.cross_attention_hidden_size;
  const decoder =
    config.decoder.model_type === 'gpt2'
      ? { type: 'gpt2' as const, ...readGPT2Config(config.decoder) }
      : { type: 'bert' as const, ...readBertConfig(config.decoder) };
  if (typeof given === 'number' && given !== encoder.hiddenSize)
    throw new DataError(
      `cross_attention_hidden_size of the decoder is ${given}, but features of the encoder have ${encoder.hiddenSize}.`,
    );
  const projected = typeof given !== 'number' && encoder.hiddenSize !== decoder.hiddenSize;
  return { encoder, decoder, projected };
}
