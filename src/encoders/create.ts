import { DataError } from '../core/errors';
import { Random } from '../core/random';
import { ConvEncoder, type ConvEncoderConfig } from './convEncoder';
import { MobileNetV2, type MobileNetV2Config } from './mobilenetV2';
import type { Encoder } from './types';

/** Builds the encoder that a checkpoint's `config.json` describes, with weights still to be assigned. */
export function createEncoder(config: Encoder['config'], random = new Random(0)): Encoder {
  switch (config.type) {
    case 'mobilenet-v2':
      return new MobileNetV2(config as MobileNetV2Config, random);
    case 'conv':
      return new ConvEncoder(config as ConvEncoderConfig, random);
    default:
      throw new DataError(
        `The encoder is of type ${JSON.stringify(config.type)}, which this version does not know (it knows mobilenet-v2 and conv).`,
      );
  }
}
