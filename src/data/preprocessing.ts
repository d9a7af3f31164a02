import * as v from 'valibot';
import { DataError } from '../core/errors';
import type { Filter, Preprocessing } from '../core/preprocessing';
import { problemsOf } from '../core/schema';
import { type Files, readIfThere } from './files';
import { decodeUTF8 } from './utf8';

const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD = [0.26862954, 0.26130258, 0.27577711];
const IMAGENET_MEAN = [0.485, 0.456, 0.406];
const IMAGENET_STD = [0.229, 0.224, 0.225];
const HALF = [0.5, 0.5, 0.5];

/** PIL's numbers of the filters. */
const filters: readonly Filter[] = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming'];

const sizeSchema = v.union([v.number(), v.looseObject({}), v.array(v.number())]);
const channelSchema = v.union([v.number(), v.array(v.number())]);
const flag = v.nullish(v.boolean());

const configSchema = v.looseObject({
  image_processor_type: v.nullish(v.string()),
  feature_extractor_type: v.nullish(v.string()),
  do_resize: flag,
  size: v.nullish(sizeSchema),
  default_to_square: flag,
  resample: v.nullish(v.number()),
  crop_pct: v.nullish(v.number()),
  do_center_crop: flag,
  crop_size: v.nullish(sizeSchema),
  do_rescale: flag,
  rescale_factor: v.nullish(v.number()),
  rescale_offset: flag,
  do_normalize: flag,
  include_top: flag,
  image_mean: v.nullish(channelSchema),
  image_std: v.nullish(channelSchema),
  pretrained_cfg: v.nullish(v.looseObject({})),
});

type Config = v.InferOutput<typeof configSchema>;
type Side = { height: number; width: number };

/** What a processor takes where the file does not say; `edge` is whether a plain number is that of the shorter side. */
type Defaults = {
  size: number;
  edge: boolean;
  resample: number;
  crop?: number;
  mean: readonly number[];
  std: readonly number[];
};

const vit: Defaults = { size: 224, edge: false, resample: 2, mean: HALF, std: HALF };
const clip: Defaults = { size: 224, edge: true, resample: 3, crop: 224, mean: CLIP_MEAN, std: CLIP_STD };
const mobileNet: Defaults = { size: 256, edge: true, resample: 2, crop: 224, mean: HALF, std: HALF };

const processors: Record<string, Defaults> = {
  ViT: vit,
  DeiT: { ...vit, size: 256, resample: 3, crop: 224 },
  Beit: { ...vit, size: 256, resample: 3, crop: 224 },
  CLIP: clip,
  ChineseCLIP: clip,
  Bit: clip,
  Blip: { ...vit, size: 384, resample: 3, mean: CLIP_MEAN, std: CLIP_STD },
  Siglip: { ...vit, resample: 3 },
  ConvNext: { ...vit, size: 384, edge: true },
  EfficientNet: { ...vit, size: 346, resample: 0 },
  MobileNetV1: mobileNet,
  MobileNetV2: mobileNet,
};

/** Steps that other processors have and that are not built here: an error where a file asks for one. */
const unsupported = [
  'do_pad',
  'do_thumbnail',
  'do_align_long_axis',
  'do_flip_channel_order',
  'do_crop_margin',
  'do_image_splitting',
];

/** Where published models keep how pictures enter: the file, and the part of it. */
const places: readonly [name: string, part: (value: Record<string, unknown>) => unknown][] = [
  ['preprocessor_config.json', (value) => value],
  ['processor_config.json', (value) => value.image_processor],
  ['config.json', (value) => value.pretrained_cfg && { pretrained_cfg: value.pretrained_cfg }],
];

/**
 * Reads how pictures enter a published model: its `preprocessor_config.json`, or else what `processor_config.json` says of
 * pictures, or the `pretrained_cfg` that timm's models have in `config.json`.
 *
 * @throws DataError where it is missing, damaged, or asks for what is not built
 */
export async function loadPreprocessing(files: Files): Promise<Preprocessing> {
  for (const [name, part] of places) {
    const bytes = await readIfThere(files, name);
    if (!bytes) continue;
    const where = `${name} in ${files.location}`;
    let value: unknown;
    try {
      value = JSON.parse(decodeUTF8(bytes, where));
    } catch (cause) {
      if (cause instanceof DataError) throw cause;
      throw new DataError(`${where} is not JSON: ${(cause as Error).message}. Was it cut short?`, { cause });
    }
    if (typeof value !== 'object' || value === null) throw new DataError(`${where} is not a JSON object.`);
    const config = part(value as Record<string, unknown>);
    if (config) return preprocessingOf(config, where);
  }
  throw new DataError(
    `'preprocessor_config.json' is not in ${files.location}, nor does another file say how pictures enter. Give the preprocessing yourself.`,
  );
}

/**
 * What the content of a `preprocessor_config.json` says, in its present and its older forms.
 *
 * @throws DataError where it is damaged or asks for what is not built
 * @see transformers, the `image_processing_*.py` of each model
 */
export function preprocessingOf(value: unknown, where = 'preprocessor_config.json'): Preprocessing {
  const config = read(configSchema, value, where);
  if (config.pretrained_cfg) return timmPreprocessing(config.pretrained_cfg, where);
  const kind = (config.image_processor_type ?? config.feature_extractor_type)?.replace(
    /(ImageProcessor|FeatureExtractor)(Fast|Pil)?$/,
    '',
  );
  if (kind !== undefined && !Object.hasOwn(processors, kind))
    throw new DataError(
      `${where} is for a processor that is not built, '${kind}'. Built are ${Object.keys(processors).join(', ')}; give the preprocessing yourself.`,
    );
  for (const step of unsupported)
    if (config[step] === true) throw new DataError(`${where} asks for ${step}, which is not built.`);
  const defaults = kind === undefined ? { ...vit, edge: config.do_center_crop === true } : processors[kind]!;
  const { filter, ...scaling } = {
    filter: filterOf(config.resample ?? defaults.resample, where),
    ...scalingOf(config, defaults, kind, where),
  };
  return { ...geometryOf(config, defaults, kind, where), filter, alpha: 'drop', ...scaling };
}

/** Resizing and cropping. */
function geometryOf(
  config: Config,
  defaults: Defaults,
  kind: string | undefined,
  where: string,
): Pick<Preprocessing, 'size' | 'resize' | 'crop'> {
  const edge = typeof config.default_to_square === 'boolean' ? !config.default_to_square : defaults.edge;
  const size = sizeOf(config.size ?? defaults.size, edge, 'size', where);
  const resizes = config.do_resize ?? true;
  if (kind === 'ConvNext') return convNextGeometry(config, size, resizes, where);
  const crops = config.do_center_crop ?? defaults.crop !== undefined;
  if (crops) {
    const crop = sizeOf(config.crop_size ?? defaults.crop ?? size, false, 'crop_size', where);
    if (!('height' in crop)) throw new DataError(`${where} has a crop_size without height and width.`);
    return { size: [crop.height, crop.width], resize: resizes ? size : 'none', crop: 'floor' };
  }
  if (!('height' in size))
    throw new DataError(
      `${where} resizes the shorter side and does not crop, so pictures would have different sizes. Set do_center_crop and crop_size.`,
    );
  return { size: [size.height, size.width], resize: resizes ? 'squash' : 'none' };
}

/** Below 384 pixels a picture is resized to somewhat more and cropped, from there on it is squashed. */
function convNextGeometry(config: Config, size: Side | { shortestEdge: number }, resizes: boolean, where: string) {
  if (!('shortestEdge' in size))
    throw new DataError(`${where} has a size without shortest_edge, which ConvNext needs.`);
  const edge = size.shortestEdge;
  const square: [number, number] = [edge, edge];
  if (!resizes) return { size: square, resize: 'none' as const };
  if (edge >= 384) return { size: square, resize: 'squash' as const };
  const shortestEdge = Math.trunc(edge / (config.crop_pct ?? 224 / 256));
  return { size: square, resize: { shortestEdge }, crop: 'floor' as const };
}

/** (p * factor - mean) / std as (p - mean / factor) * (factor / std). */
function scalingOf(config: Config, defaults: Defaults, kind: string | undefined, where: string) {
  const factor = (config.do_rescale ?? true) ? (config.rescale_factor ?? 1 / 255) : 1;
  // EfficientNet's: from -1 to 1 in place of 0 to 1, and divided by the deviation once more.
  const efficientNet = kind === 'EfficientNet';
  const offset = efficientNet && config.rescale_offset ? 1 : 0;
  const again = efficientNet && (config.include_top ?? true);
  const normalises = config.do_normalize ?? true;
  const mean = normalises ? channels(config.image_mean ?? defaults.mean, 'image_mean', where) : ([0, 0, 0] as const);
  const std = normalises ? channels(config.image_std ?? defaults.std, 'image_std', where) : ([1, 1, 1] as const);
  const second = again ? channels(config.image_std ?? defaults.std, 'image_std', where) : ([1, 1, 1] as const);
  if (!(factor > 0) || [...std, ...second].some((each) => !(each > 0)))
    throw new DataError(`${where} has a rescale_factor or an image_std that is not above 0.`);
  const each = (of: (channel: 0 | 1 | 2) => number): [number, number, number] => [of(0), of(1), of(2)];
  return {
    mean: each((channel) => (mean[channel] + offset) / factor),
    scale: each((channel) => factor / (std[channel] * second[channel])),
  };
}

export type TorchvisionPreprocessing = {
  /** Pixels of the shorter side, or height and width. */
  resize: number | readonly [height: number, width: number];
  /** Pixels of both sides of the middle that is cut out. */
  crop: number;
  filter?: Filter;
  /** Of pixels from 0 to 1; by default ImageNet's. */
  mean?: readonly number[];
  std?: readonly number[];
};

/** The preprocessing of torchvision's models: `Resize`, `CenterCrop`, `ToTensor`, `Normalize`. */
export function torchvisionPreprocessing({
  resize,
  crop,
  filter = 'bilinear',
  mean = IMAGENET_MEAN,
  std = IMAGENET_STD,
}: TorchvisionPreprocessing): Preprocessing {
  const where = 'The preprocessing';
  const [means, deviations] = [channels(mean, 'mean', where), channels(std, 'std', where)];
  return {
    size: [crop, crop],
    resize: typeof resize === 'number' ? { shortestEdge: resize } : { height: resize[0], width: resize[1] },
    crop: 'round',
    filter,
    alpha: 'drop',
    mean: [means[0] * 255, means[1] * 255, means[2] * 255],
    scale: [1 / (255 * deviations[0]), 1 / (255 * deviations[1]), 1 / (255 * deviations[2])],
  };
}

const timmSchema = v.looseObject({
  input_size: v.pipe(v.array(v.number()), v.length(3)),
  interpolation: v.optional(v.picklist([...filters]), 'bilinear'),
  crop_pct: v.nullish(v.number(), 0.875),
  crop_mode: v.nullish(v.picklist(['center', 'squash']), 'center'),
  mean: v.optional(v.array(v.number()), IMAGENET_MEAN),
  std: v.optional(v.array(v.number()), IMAGENET_STD),
});

/**
 * What timm's `pretrained_cfg`, in the `config.json` of its models, says of their evaluation.
 *
 * @see timm, `data/transforms_factory.py`: `transforms_imagenet_eval`
 */
export function timmPreprocessing(value: unknown, where = 'pretrained_cfg'): Preprocessing {
  const settings = read(timmSchema, value, where);
  const { input_size: input, interpolation: filter, crop_pct: part, crop_mode: mode, mean, std } = settings;
  const [, height, width] = input as [number, number, number];
  if (mode === 'center' && height !== width)
    throw new DataError(`${where} crops ${height} x ${width} pixels, which is not built: only squares are.`);
  const scaled = (side: number) => Math.floor(side / part);
  return torchvisionPreprocessing({
    resize: mode === 'squash' ? [scaled(height), scaled(width)] : scaled(height),
    crop: height,
    filter,
    mean,
    std,
  });
}

function sizeOf(
  value: v.InferOutput<typeof sizeSchema> | Side | { shortestEdge: number },
  edge: boolean,
  name: string,
  where: string,
): Side | { shortestEdge: number } {
  const whole = (...sides: unknown[]) => sides.every((side) => Number.isInteger(side) && (side as number) > 0);
  if (typeof value === 'number' && whole(value))
    return edge ? { shortestEdge: value } : { height: value, width: value };
  if (Array.isArray(value) && value.length === 2 && whole(...value)) return { height: value[0]!, width: value[1]! };
  const { height, width, shortest_edge: shortest, shortestEdge, ...others } = value as Record<string, unknown>;
  if (Object.keys(others).length === 0) {
    if (whole(height, width) && shortest === undefined) return { height: height as number, width: width as number };
    if (whole(shortest ?? shortestEdge) && height === undefined && width === undefined)
      return { shortestEdge: (shortest ?? shortestEdge) as number };
  }
  throw new DataError(
    `${where} has ${name} ${JSON.stringify(value)}, which is not built. Built are a number, height with width, and shortest_edge.`,
  );
}

function filterOf(resample: number, where: string): Filter {
  const filter = filters[resample];
  if (!filter) throw new DataError(`${where} has resample ${resample}, which is none of PIL's filters (0 to 5).`);
  return filter;
}

function channels(value: number | readonly number[], name: string, where: string): readonly [number, number, number] {
  const [red, green, blue, ...more] = typeof value === 'number' ? [value, value, value] : value;
  if (red === undefined || green === undefined || blue === undefined || more.length > 0)
    throw new DataError(`${where} has ${name} ${JSON.stringify(value)}, which are not three numbers.`);
  return [red, green, blue];
}

function read<S extends v.GenericSchema>(schema: S, value: unknown, where: string): v.InferOutput<S> {
  const checked = v.safeParse(schema, value);
  if (checked.success) return checked.output;
  throw new DataError(`${where} is not what it should be:\n  ${problemsOf(checked.issues, where).join('\n  ')}`);
}
