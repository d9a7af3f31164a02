import * as v from 'valibot';
import type { Random } from '../core/random';
import { whole } from '../core/schema';
import { ConvNetwork } from './convNetwork';
import { inceptionV3 } from './inceptionV3';
import { mobile } from './mobile';
import { MOBILE_NAMES } from './mobilePlan';
import { resNet } from './resnet';
import { pair, storedPreprocessing } from './storedPreprocessing';
import type { Encoder } from './types';
import { VGG_NAMES, vgg } from './vgg';

const optional = v.exactOptional;

const common = {
  imageSize: pair,
  batchNorm: optional(v.picklist(['frozen', 'trained'])),
  stage: optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  pooledGrid: optional(pair),
  preprocessing: optional(storedPreprocessing),
};

/** The configurations of convolutional networks as our own checkpoints hold them. */
export const storedConvNetworks = [
  v.object({
    type: v.literal('resnet'),
    ...common,
    block: v.picklist(['basic', 'bottleneck']),
    depths: v.array(whole),
    channels: v.array(whole),
    innerChannels: v.array(whole),
    stem: v.array(whole),
    strides: v.array(whole),
    dilated: optional(v.array(v.boolean())),
    groups: optional(whole),
    strideFirst: optional(v.boolean()),
    averageShortcut: optional(v.boolean()),
    names: optional(v.picklist(['torchvision', 'huggingface'])),
    activation: optional(v.string()),
    epsilon: optional(v.number()),
    classes: optional(whole),
  }),
  v.object({
    type: v.picklist(VGG_NAMES),
    ...common,
    normed: optional(v.boolean()),
    names: optional(v.picklist(['torchvision', 'keras'])),
  }),
  v.object({
    type: v.literal('inception-v3'),
    ...common,
    names: optional(v.picklist(['torchvision', 'keras'])),
  }),
  v.object({
    type: v.picklist(MOBILE_NAMES),
    ...common,
    names: optional(v.picklist(['torchvision', 'timm'])),
    tensorflow: optional(v.boolean()),
  }),
] as const;

type Stored = v.InferOutput<(typeof storedConvNetworks)[number]>;

/** The network that a configuration describes, with weights drawn from `random`. */
export function createConvNetwork(config: Stored, random: Random): Encoder {
  if (config.type === 'resnet') return new ConvNetwork(resNet(config), random);
  if (config.type === 'inception-v3') return new ConvNetwork(inceptionV3(config), random);
  if (isVGG(config)) return new ConvNetwork(vgg(config), random);
  return new ConvNetwork(mobile(config), random);
}

const isVGG = (config: Stored): config is Extract<Stored, { normed?: boolean }> => config.type.startsWith('vgg');
