import * as v from 'valibot';
import { DataError } from '../core/errors';
import { Random } from '../core/random';
import { problemsOf, whole } from '../core/schema';
import { ConvEncoder } from './convEncoder';
import { ConvNetwork } from './convNetwork';
import { JOINS } from './joinMaps';
import { MobileNetV2 } from './mobilenetV2';
import { PLACES, Positioned } from './positioned';
import { SideBySide } from './sideBySide';
import { Stages } from './stages';
import { createConvNetwork, storedConvNetworks } from './storedConvNetworks';
import { storedTfjsModel, type TfjsModelConfig, TfjsModelEncoder } from './tfjsModel';
import type { Encoder } from './types';
import { VisionEncoder } from './visionEncoder';
import { storedVisionEncoderConfig } from './visionTowerConfig';
import { ViT } from './vit';
import { storedViTConfig } from './vitConfig';

/** An encoder within another. */
const inner = v.looseObject({ type: v.string() });

const configSchema = v.variant('type', [
  v.object({ type: v.literal('mobilenet-v2'), imageSize: whole }),
  v.object({ type: v.literal('conv'), imageSize: whole, channels: v.array(whole) }),
  storedViTConfig,
  storedVisionEncoderConfig,
  storedTfjsModel,
  v.object({ type: v.literal('side-by-side'), join: v.picklist(JOINS), encoders: v.array(inner) }),
  v.object({
    type: v.literal('stages'),
    join: v.picklist(JOINS),
    stages: v.array(v.pipe(v.number(), v.integer(), v.minValue(0))),
    network: inner,
  }),
  v.object({ type: v.literal('positioned'), places: v.picklist(PLACES), encoder: inner }),
  ...storedConvNetworks,
]);

/**
 * Builds the encoder that a checkpoint's `config.json` describes, with weights still to be assigned.
 *
 * @throws DataError for a type that this version does not know, or settings that do not belong to it; RangeError for
 * sizes that the encoder cannot have; UsageError for encoders that do not go together
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
  if (known.type === 'tfjs-model') return new TfjsModelEncoder(known as TfjsModelConfig);
  if (known.type === 'side-by-side')
    return around(known.encoders, random, (encoders) => new SideBySide(encoders, known.join));
  if (known.type === 'positioned')
    return around([known.encoder], random, ([encoder]) => new Positioned(encoder!, known.places));
  if (known.type === 'stages')
    return around([known.network], random, ([network]) => new Stages(staged(network!), known.stages, known.join));
  return createConvNetwork(known, random);
}

/** An encoder that is made of others, which are disposed of where it cannot be made. */
function around(configs: Encoder['config'][], random: Random, make: (inner: Encoder[]) => Encoder): Encoder {
  const made: Encoder[] = [];
  try {
    for (const [i, config] of configs.entries()) made.push(createEncoder(config, random.fork(i)));
    return make(made);
  } catch (error) {
    for (const encoder of made) encoder.dispose();
    throw error;
  }
}

function staged(network: Encoder): ConvNetwork {
  if (network instanceof ConvNetwork) return network;
  throw new DataError(
    `The encoder cannot be built as it is described: '${network.config.type}' is no network of stages.`,
  );
}
