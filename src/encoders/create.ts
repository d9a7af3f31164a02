import * as v from 'valibot';
import { DataError } from '../core/errors';
import { Random } from '../core/random';
import { problemsOf, whole } from '../core/schema';
import { ConvEncoder } from './convEncoder';
import { MobileNetV2 } from './mobilenetV2';
import { createConvNetwork, storedConvNetworks } from './storedConvNetworks';
import type { Encoder } from './types';
import { VisionEncoder } from './visionEncoder';
import { storedVisionEncoderConfig } from './visionTowerConfig';
import { ViT } from './vit';
import { storedViTConfig } from './vitConfig';

const configSchema = v.variant('type', [
  v.object({ type: v.literal('mobilenet-v2'), imageSize: whole }),
  v.object({ type: v.literal('conv'), imageSize: whole, channels: v.array(whole) }),
  storedViTConfig,
  storedVisionEncoderConfig,
  ...storedConvNetworks,
]);

/**
 * Builds the encoder that a checkpoint's `config.json` describes, with weights still to be assigned.
 *
 * @throws DataError for a type that this version does not know, or settings that do not belong to it; RangeError for
 * sizes that the encoder cannot have
 */
export function createEncoder(config: Encoder['config'], random = new Random(0)): Encoder {
  const checked = v.safeParse(configSchema, config);
  if (!checked.success) {
    const problems = problemsOf(checked.issues, 'encoder');
    throw new DataError(`The encoder cannot be built as it is described: ${problems.join('; ')}.`);
  }
  const known = checked.output;
  if (known.type === 'vit') return new ViT(known, random);
  if (known.type === 'vision-tower') return new VisionEncoder(known, random);
  if (known.type === 'conv') return new ConvEncoder(known, random);
  if (known.type === 'mobilenet-v2') return new MobileNetV2(known, random);
  return createConvNetwork(known, random);
}
