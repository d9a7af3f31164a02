import { UsageError } from '../core/errors';
import type { WeightSource } from '../core/spec';
import { ConvNetwork, type ConvNetworkOptions } from './convNetwork';
import { foldedSource, isFolded } from './foldedSource';
import { inceptionV3 } from './inceptionV3';
import { epsilonOf, type MobileConfig, mobile } from './mobile';
import type { MobileNaming } from './mobileNames';
import { MOBILE_NAMES, type MobileName, mobileImageSize } from './mobilePlan';
import { resNet } from './resnet';
import { RESNET_NAMES, resNetShape } from './resnetPlan';
import type { Encoder } from './types';
import { VGG_NAMES, vgg } from './vgg';

/** Convolutional networks with published weights. */
export const PUBLISHED_NAMES: readonly string[] = [...RESNET_NAMES, ...VGG_NAMES, 'inception-v3', ...MOBILE_NAMES];

export type PublishedOptions = Partial<ConvNetworkOptions> & {
  /** Of MobileNet and EfficientNet in timm's names: as TensorFlow trained it, as those are whose names begin with `tf_`. */
  tensorflow?: boolean;
};

/** An encoder that also gives the features of all stages, and their average. */
export type PublishedNetwork = Encoder & Pick<ConvNetwork, 'architecture' | 'stages' | 'pooled' | 'stateDict'>;

/**
 * A convolutional network by its published name, such as `resnet50`, with weights in the names of torchvision, timm,
 * transformers or Keras, whichever the file has.
 *
 * @throws UsageError for a name that is not known; DataError for weights that do not fit
 */
export async function publishedEncoder(
  name: string,
  source: WeightSource,
  { tensorflow, ...options }: PublishedOptions = {},
): Promise<PublishedNetwork> {
  const has = (pattern: RegExp) => [...source.tensors.keys()].some((key) => pattern.test(key));
  const sized = (side: number) => ({ imageSize: [side, side] as const, ...options });
  if (isOneOf(MOBILE_NAMES, name))
    return loadMobile(name, source, { names: has(/^conv_stem\./) ? 'timm' : 'torchvision', tensorflow, options });
  if (tensorflow !== undefined)
    throw new UsageError(`tensorflow is an option of MobileNet and EfficientNet; '${name}' has no such weights.`);
  if (isOneOf(RESNET_NAMES, name)) {
    const names = has(/^(resnet\.)?embedder\./) ? 'huggingface' : 'torchvision';
    return ConvNetwork.load(resNet({ type: 'resnet', names, ...resNetShape(name), ...sized(224) }), source);
  }
  if (isOneOf(VGG_NAMES, name)) {
    const names = has(/^block1_conv1/) ? 'keras' : 'torchvision';
    const normed = has(/^features\.\d+\.running_mean$/);
    return ConvNetwork.load(vgg({ type: name, names, normed, ...sized(224) }), source);
  }
  if (name === 'inception-v3') {
    const names = has(/^conv2d/) ? 'keras' : 'torchvision';
    return ConvNetwork.load(inceptionV3({ type: name, names, ...sized(299) }), source);
  }
  throw new UsageError(`There is no network '${name}'. It may be one of ${PUBLISHED_NAMES.join(', ')}.`);
}

const isOneOf = <T extends string>(names: readonly T[], name: string): name is T =>
  (names as readonly string[]).includes(name);

function loadMobile(
  type: MobileName,
  source: WeightSource,
  of: { names: MobileNaming; tensorflow: boolean | undefined; options: Partial<ConvNetworkOptions> },
): Promise<PublishedNetwork> {
  const { names, tensorflow, options } = of;
  const side = mobileImageSize(type);
  const config: MobileConfig = { type, imageSize: [side, side], ...options };
  if (!isFolded(source))
    return ConvNetwork.load(mobile({ ...config, names, ...(tensorflow !== undefined && { tensorflow }) }), source);
  const [height, width] = config.imageSize;
  const folded: MobileConfig = {
    names: 'timm',
    tensorflow: true,
    // As TensorFlow Lite's models have it: what brings deviations to one is folded into the first layer.
    preprocessing: { size: [height, width], resize: 'squash', filter: 'bilinear', mean: 127, scale: 1 },
    ...config,
  };
  return ConvNetwork.load(mobile(folded), foldedSource(source, folded, epsilonOf(folded)));
}
