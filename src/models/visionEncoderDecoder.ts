import type * as tf from '@tensorflow/tfjs';
import { dense } from '../core/dense';
import { linearSpec } from '../core/layerSpecs';
import { Random } from '../core/random';
import { createParams, loadParams, type ParamsOf, stateDict, type WeightSource } from '../core/spec';
import { disposeTree } from '../core/tree';
import { type BertDecoderParams, bertDecoderParts, bertDecoderSpec } from '../decoders/bert';
import { isBertBuffer } from '../decoders/bertParts';
import { type GPT2Params, gpt2Parts, gpt2Spec, isGPT2Buffer } from '../decoders/gpt2';
import { TransformerDecoder } from '../decoders/transformer';
import type { Preprocessing } from '../encoders/types';
import { ViT, vitSpec } from '../encoders/vit';
import type { VisionEncoderDecoderConfig } from './visionEncoderDecoderConfig';

/** @param config.encoder - whose pooler, which captions do not need, is there where a file has it */
export function visionEncoderDecoderSpec({ encoder, decoder, projected }: VisionEncoderDecoderConfig) {
  return {
    encoder: vitSpec(encoder, 'encoder.'),
    decoder: decoder.type === 'gpt2' ? gpt2Spec(decoder, 'decoder.') : bertDecoderSpec(decoder, 'decoder.'),
    projection: projected ? linearSpec('enc_to_dec_proj', encoder.hiddenSize, decoder.hiddenSize) : undefined,
  };
}

export type VisionEncoderDecoderParams = ParamsOf<ReturnType<typeof visionEncoderDecoderSpec>>;

/**
 * A vision transformer that GPT-2 or BERT looks at while it speaks, such as `nlpconnect/vit-gpt2-image-captioning`.
 *
 * @see transformers, `VisionEncoderDecoderModel`; Rothe et al. 2020, https://arxiv.org/abs/1907.12461
 */
export class VisionEncoderDecoder {
  readonly encoder: ViT;
  readonly decoder: TransformerDecoder;

  /** @param params - by default drawn from `random`; they belong to the model from here on */
  constructor(
    readonly config: VisionEncoderDecoderConfig,
    random: Random,
    readonly params: VisionEncoderDecoderParams = createParams(visionEncoderDecoderSpec(config), random),
    preprocessing?: Preprocessing,
  ) {
    this.encoder = new ViT(config.encoder, random, params.encoder, preprocessing);
    const { decoder, projection } = params;
    const parts =
      config.decoder.type === 'gpt2'
        ? gpt2Parts(decoder as GPT2Params, config.decoder)
        : bertDecoderParts(decoder as BertDecoderParams, config.decoder);
    this.decoder = new TransformerDecoder({
      ...parts,
      params: projection ? { ...decoder, projection } : decoder,
      ...(projection && { prepare: (features) => dense(projection, features) }),
    });
  }

  /** @throws DataError with everything in the file that is missing, unexpected or of another shape */
  static async load(
    config: VisionEncoderDecoderConfig,
    source: WeightSource,
    preprocessing?: Preprocessing,
  ): Promise<VisionEncoderDecoder> {
    const { pooler, ...bare } = config.encoder;
    const pooled = pooler && source.tensors.has('encoder.pooler.dense.weight');
    const found = { ...config, encoder: pooled ? config.encoder : bare };
    const rename = (name: string) => (isBuffer(name) ? undefined : name);
    const params = await loadParams(visionEncoderDecoderSpec(found), source, new Random(0), { rename });
    return new VisionEncoderDecoder(found, new Random(0), params, preprocessing);
  }

  /** The parameters as PyTorch has them; the tensors belong to the caller. */
  stateDict(): Generator<[key: string, value: tf.Tensor]> {
    return stateDict(visionEncoderDecoderSpec(this.config), this.params);
  }

  dispose(): void {
    disposeTree(this.params);
  }
}

/** What files hold beside weights, or beside those that captions need. */
const isBuffer = (name: string) =>
  isGPT2Buffer(name) ||
  isBertBuffer(name) ||
  name.startsWith('decoder.bert.pooler.') ||
  name === 'encoder.embeddings.mask_token';
