import * as v from 'valibot';
import { readConfig, whole } from '../core/schema';
import type { ResNetConfig } from './resnet';
import { widths } from './resnetPlan';

const four = v.array(whole);
const block = v.pipe(
  v.picklist(['BasicBlock', 'Bottleneck', 'basic', 'bottleneck']),
  v.transform((name) => (name.toLowerCase().startsWith('basic') ? ('basic' as const) : ('bottleneck' as const))),
);

/** `config.json` of transformers. */
const huggingface = v.object({
  model_type: v.literal('resnet'),
  num_channels: v.optional(v.literal(3), 3),
  embedding_size: v.optional(whole, 64),
  hidden_sizes: v.optional(four, [256, 512, 1024, 2048]),
  depths: v.optional(four, [3, 4, 6, 3]),
  layer_type: v.optional(block, 'bottleneck'),
  hidden_act: v.optional(v.string(), 'relu'),
  downsample_in_first_stage: v.optional(v.boolean(), false),
  downsample_in_bottleneck: v.optional(v.boolean(), false),
});

/** The arguments of torchvision's class `ResNet`. */
const torchvision = v.object({
  arch: v.literal('torchvision_resnet'),
  block,
  layers: four,
  planes: v.optional(four, [64, 128, 256, 512]),
  stem_width: v.optional(whole, 64),
  expansion: v.optional(whole),
  groups: v.optional(whole, 1),
  width_per_group: v.optional(whole, 64),
  replace_stride_with_dilation: v.optional(v.array(v.boolean()), []),
  bn_eps: v.optional(v.number(), 1e-5),
});

/** The arguments of timm's class `ResNet`. */
const timm = v.object({
  arch: v.literal('timm_resnet'),
  block,
  layers: four,
  channels: v.optional(four, [64, 128, 256, 512]),
  stem_width: v.optional(whole, 64),
  stem_type: v.optional(v.picklist(['', 'deep', 'deep_tiered']), ''),
  avg_down: v.optional(v.boolean(), false),
  cardinality: v.optional(whole, 1),
  base_width: v.optional(whole, 64),
});

/** What a configuration file says of the network; size of the pictures and use of the features are the caller's. */
export type ReadResNetConfig = Omit<ResNetConfig, 'imageSize'>;

/**
 * Reads the `config.json` of transformers' ResNet, or the arguments of torchvision's or timm's class `ResNet` under `arch`
 * `torchvision_resnet` or `timm_resnet`.
 *
 * @throws DataError for what is no such configuration, or has settings that are not supported
 */
export function readResNetConfig(json: Record<string, unknown>): ReadResNetConfig {
  if (json.arch === 'torchvision_resnet') return ofTorchvision(parse(torchvision, json));
  if (json.arch === 'timm_resnet') return ofTimm(parse(timm, json));
  return ofHuggingFace(parse(huggingface, json));
}

const parse = <S extends v.GenericSchema>(schema: S, json: unknown) =>
  readConfig(schema, json, 'configuration of the ResNet');

function ofHuggingFace(json: v.InferOutput<typeof huggingface>): ReadResNetConfig {
  return {
    type: 'resnet',
    names: 'huggingface',
    block: json.layer_type,
    depths: json.depths,
    channels: json.hidden_sizes,
    innerChannels: json.hidden_sizes.map((size) => (json.layer_type === 'basic' ? size : Math.floor(size / 4))),
    stem: [json.embedding_size],
    strides: json.hidden_sizes.map((_, stage) => (stage === 0 && !json.downsample_in_first_stage ? 1 : 2)),
    strideFirst: json.downsample_in_bottleneck,
    activation: json.hidden_act,
  };
}

function ofTorchvision(json: v.InferOutput<typeof torchvision>): ReadResNetConfig {
  const { block, layers, planes, groups, width_per_group: width, expansion } = json;
  return {
    type: 'resnet',
    names: 'torchvision',
    block,
    depths: layers,
    ...widths({ block, planes, width, groups, ...(expansion !== undefined && { expansion }) }),
    stem: [json.stem_width],
    strides: [1, 2, 2, 2],
    dilated: [false, ...json.replace_stride_with_dilation],
    groups,
    epsilon: json.bn_eps,
  };
}

function ofTimm(json: v.InferOutput<typeof timm>): ReadResNetConfig {
  const { block, layers, channels: planes, stem_width, stem_type, cardinality: groups, base_width: width } = json;
  const stems = {
    '': [64],
    deep: [stem_width, stem_width, 2 * stem_width],
    deep_tiered: [3 * Math.floor(stem_width / 4), stem_width, 2 * stem_width],
  };
  return {
    type: 'resnet',
    names: 'torchvision',
    block,
    depths: layers,
    ...widths({ block, planes, width, groups }),
    stem: stems[stem_type],
    strides: [1, 2, 2, 2],
    groups,
    averageShortcut: json.avg_down,
  };
}
