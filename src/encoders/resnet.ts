import type * as tf from '@tensorflow/tfjs';
import { activation } from '../core/activations';
import { dense } from '../core/dense';
import { UsageError } from '../core/errors';
import { linearSpec } from '../core/layerSpecs';
import type { ParamsOf } from '../core/spec';
import { tidyUntaped } from '../core/tidyUntaped';
import type { Observe } from './batchNorm';
import { maxPool } from './conv';
import { type Architecture, type ConvNetworkOptions, isFrozen, passingOver } from './convNetwork';
import { type AfterNorm, activated, type ConvNormParams, convNorm, convNormSpec, type Normalising } from './convNorm';
import { imageNetPreprocessing } from './imageNet';
import { halve } from './pooling';
import { type ResNetNaming, resNetKeys } from './resnetNames';
import { type BlockPlan, blockPlans, gridSides, type ResNetShape } from './resnetPlan';

export type ResNetConfig = ResNetShape &
  ConvNetworkOptions & {
    type: 'resnet';
    /** Names of the parameters in files; `torchvision`, which are also timm's, by default. */
    names?: ResNetNaming;
    /** Of the stem and after each block, as transformers names it; `relu` by default. Inside of blocks it is always ReLU. */
    activation?: string;
    /** Added to variances; 1e-5 by default. */
    epsilon?: number;
    /** Classes of a linear layer on the pooled features; none by default. */
    classes?: number;
  };

type BlockParams = { convs: ConvNormParams[]; shortcut: ConvNormParams | undefined };

export type ResNetParams = ParamsOf<ReturnType<typeof resNetSpec>>;

/** The parameters of the network under the names that the configuration says. */
export function resNetSpec(config: ResNetConfig) {
  const { stem, block: kind, groups = 1, averageShortcut = false, names = 'torchvision', classes } = config;
  const frozen = isFrozen(config);
  const keys = resNetKeys[names];
  const stages = blockPlans(config).slice(0, config.stage ?? config.depths.length);
  const stemSize = stem.length === 1 ? 7 : 3;
  return {
    stem: stem.map((outputs, index) =>
      convNormSpec(keys.stem(index, stem.length), [stemSize, stemSize, stem[index - 1] ?? 3, outputs], frozen),
    ),
    stages: stages.map((blocks, stage) =>
      blocks.map((plan, block) => ({
        convs: kernels(kind, plan, groups).map((shape, conv) =>
          convNormSpec(keys.block(stage, block, conv), shape, frozen),
        ),
        shortcut: plan.projected
          ? convNormSpec(keys.shortcut(stage, block, averageShortcut), [1, 1, plan.inputs, plan.outputs], frozen)
          : undefined,
      })),
    ),
    head:
      classes === undefined
        ? undefined
        : linearSpec(keys.head, stages.at(-1)?.at(-1)?.outputs ?? stem.at(-1)!, classes),
  };
}

/** Shapes of the kernels of a block. */
function kernels(kind: ResNetShape['block'], plan: BlockPlan, groups: number): [number, number, number, number][] {
  const { inputs, inner, outputs } = plan;
  if (kind === 'basic')
    return [
      [3, 3, inputs, inner],
      [3, 3, inner, outputs],
    ];
  return [
    [1, 1, inputs, inner],
    [3, 3, inner / groups, inner],
    [1, 1, inner, outputs],
  ];
}

/** Does a convolution with the network's activation. */
type Activate = (convolution: (after: AfterNorm) => tf.Tensor4D) => tf.Tensor4D;

/** What comes out of the stem and of every stage, [batch, height / 4, width / 4, channels] and smaller. */
function resNetStages(
  params: ResNetParams,
  config: ResNetConfig,
  act: Activate,
  pixels: tf.Tensor4D,
  observe?: Observe,
): tf.Tensor4D[] {
  const normalising = { epsilon: config.epsilon ?? 1e-5, observe };
  const padding = params.stem.length === 1 ? 3 : 1;
  let x = pixels;
  for (const [index, layer] of params.stem.entries())
    x = act((after) => convNorm(layer, x, { stride: index === 0 ? 2 : 1, padding }, normalising, after));
  x = maxPool(x, 3, 2, 1);
  const outputs = [x];
  const plans = blockPlans(config);
  for (const [stage, blocks] of params.stages.entries()) {
    for (const [index, block] of blocks.entries()) {
      const through = () => residual(block, plans[stage]![index]!, config, x, act, normalising);
      x = observe ? through() : tidyUntaped(through);
    }
    outputs.push(x);
  }
  return outputs;
}

function residual(
  params: BlockParams,
  { stride, dilation }: BlockPlan,
  { block, groups = 1, strideFirst = false, averageShortcut = false }: ResNetShape,
  x: tf.Tensor4D,
  act: Activate,
  normalising: Normalising,
): tf.Tensor4D {
  const small = { padding: dilation, dilation };
  const movements =
    block === 'basic'
      ? [{ stride, ...small }, small]
      : [{ stride: strideFirst ? stride : 1 }, { stride: strideFirst ? 1 : stride, groups, ...small }, {}];
  const plus = shortcutOf(params, stride, averageShortcut, x, normalising);
  const last = params.convs.length - 1;
  let y = x;
  for (const [index, conv] of params.convs.slice(0, last).entries())
    y = convNorm(conv, y, movements[index]!, normalising, { activation: 'relu' });
  return act((after) => convNorm(params.convs[last]!, y, movements[last]!, normalising, { ...after, plus }));
}

function shortcutOf(
  { shortcut }: BlockParams,
  stride: number,
  averaged: boolean,
  x: tf.Tensor4D,
  normalising: Normalising,
): tf.Tensor4D {
  if (!shortcut) return x;
  if (averaged) return convNorm(shortcut, stride > 1 ? halve(x) : x, {}, normalising);
  return convNorm(shortcut, x, { stride }, normalising);
}

/**
 * A residual network: ResNet 18 to 152 of torchvision, transformers and timm, with its relatives ResNet-D, ResNeXt and
 * Wide ResNet. Stages: 0 the stem, then one for each entry of `depths`.
 *
 * @see He et al. 2016, https://arxiv.org/abs/1512.03385, with the stride in the 3 x 3 convolution as in torchvision;
 * He et al. 2019, https://arxiv.org/abs/1812.01187, figure 2 (ResNet-D); Xie et al. 2017, https://arxiv.org/abs/1611.05431
 */
export function resNet(config: ResNetConfig): Architecture<ReturnType<typeof resNetSpec>> {
  const spec = resNetSpec(config);
  const name = config.activation ?? 'relu';
  const own = activation(name);
  const act: Activate = (convolution) => activated(name, own, convolution);
  const { stage: _, ...all } = config;
  const { names = 'torchvision', imageSize, stem, channels } = config;
  const passed = passingOver(spec, resNetSpec(all), new RegExp(`^${resNetKeys[names].head.replace('.', '\\.')}\\.`));
  return {
    config,
    spec,
    stages: (params, pixels, observe) => resNetStages(params, config, act, pixels, observe),
    channels: [stem.at(-1)!, ...channels],
    sides: (pixels) => gridSides(config, pixels),
    momentum: 0.1,
    preprocessing: imageNetPreprocessing(imageSize),
    // Files of the bare network leave out the prefix that those with a classifier have.
    renaming: () => (name) =>
      passed(names === 'huggingface' && /^(embedder|encoder)\./.test(name) ? `resnet.${name}` : name),
  };
}

/** Logits [batch, classes] of pooled features [batch, featureSize], where the configuration has classes. */
export function resNetLogits({ head }: ResNetParams, pooled: tf.Tensor2D): tf.Tensor2D {
  if (!head) throw new UsageError('This network has no classifier; give `classes` in its configuration.');
  return dense(head, pooled);
}
