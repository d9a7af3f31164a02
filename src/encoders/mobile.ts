import * as tf from '@tensorflow/tfjs';
import { type Activation, activation } from '../core/activations';
import type { ParamsOf } from '../core/spec';
import { tidyUntaped } from '../core/tidyUntaped';
import type { Observe } from './batchNorm';
import { convolve, convSpec } from './conv';
import { type Architecture, type ConvNetworkOptions, isFrozen, passingOver } from './convNetwork';
import {
  type AfterNorm,
  activated,
  convNorm,
  convNormSpec,
  depthwiseNorm,
  depthwiseNormSpec,
  type Normalising,
} from './convNorm';
import { imageNetPreprocessing, symmetricPreprocessing } from './imageNet';
import { type MobileNaming, mobileKeys } from './mobileNames';
import { type MobileActivation, type MobileBlock, type MobileName, type MobilePlan, mobilePlan } from './mobilePlan';

export type MobileConfig = ConvNetworkOptions & {
  type: MobileName;
  /** Names of the parameters in files; `torchvision` by default, which has no EfficientNet-Lite. */
  names?: MobileNaming;
  /** As TensorFlow trained it: `same` padding and 1e-3 added to variances (timm's networks whose names begin with `tf_`). */
  tensorflow?: boolean;
};

function mobileSpec(config: MobileConfig) {
  const plan = mobilePlan(config.type);
  const keys = mobileKeys(plan, config.names ?? 'torchvision');
  const frozen = isFrozen(config);
  const { stage = plan.stages.length + 1 } = config;
  const last = plan.stages.at(-1)!.at(-1)!.outputs;
  return {
    stem: convNormSpec(keys.stem, [3, 3, 3, plan.stem], frozen),
    stages: plan.stages.slice(0, stage).map((blocks, at) =>
      blocks.map(({ inputs, inner, outputs, kernel, squeezed }, index) => {
        const { widen, depthwise, reduce, expand, narrow } = keys.block(at, index);
        return {
          widen: inner === inputs ? undefined : convNormSpec(widen, [1, 1, inputs, inner], frozen),
          depthwise: depthwiseNormSpec(depthwise, kernel, inner, frozen),
          weigh:
            squeezed === 0
              ? undefined
              : {
                  reduce: convSpec(reduce, [1, 1, inner, squeezed]),
                  expand: convSpec(expand, [1, 1, squeezed, inner]),
                },
          narrow: convNormSpec(narrow, [1, 1, inner, outputs], frozen),
        };
      }),
    ),
    head: stage > plan.stages.length ? convNormSpec(keys.head, [1, 1, last, plan.head], frozen) : undefined,
  };
}

type MobileParams = ParamsOf<ReturnType<typeof mobileSpec>>;
type MobileBlockParams = MobileParams['stages'][number][number];

/** What is added to variances: TensorFlow's 1e-3 or PyTorch's 1e-5, by where the weights come from. */
export function epsilonOf({ type, names = 'torchvision', tensorflow = false }: MobileConfig): number {
  const inTorchvision = type.startsWith('mobilenet-v3') && names === 'torchvision';
  return tensorflow || inTorchvision ? 1e-3 : 1e-5;
}

/**
 * Networks of inverted residuals: MobileNetV2 and V3, EfficientNet B0 to B4 and Lite 0 to 4, as torchvision and timm have
 * them. Stages: 0 the stem, then the groups of blocks, and last the 1 x 1 convolution after them.
 *
 * @see Howard et al. 2019, https://arxiv.org/abs/1905.02244; Tan and Le 2019, https://arxiv.org/abs/1905.11946; the Lite
 * networks have no weights of channels, ReLU6, and a stem and a head of a fixed size
 */
export function mobile(config: MobileConfig): Architecture<ReturnType<typeof mobileSpec>> {
  const plan = mobilePlan(config.type);
  const spec = mobileSpec(config);
  const { stage: _, ...all } = config;
  const passed = passingOver(spec, mobileSpec(all), /^(classifier|conv_head|norm_head)\./);
  const strides = [2, ...plan.stages.map(([first]) => first!.stride), 1];
  return {
    config,
    spec,
    stages: (params, pixels, observe) => mobileStages(params, config, plan, pixels, observe),
    upTo: ({ stem, stages }, stage) => {
      const { pooledGrid: _, ...whole } = config;
      return {
        architecture: mobile({ ...whole, stage }),
        params: { stem, stages: stages.slice(0, stage), head: undefined },
      };
    },
    following: (params, stage, map) => stagesAfter(stage, params, config, plan, map, undefined),
    channels: [plan.stem, ...plan.stages.map((blocks) => blocks.at(-1)!.outputs), plan.head],
    sides: (pixels) => {
      let side = pixels;
      return strides.map((stride) => {
        side = Math.ceil(side / stride);
        return side;
      });
    },
    momentum: config.type.startsWith('mobilenet-v3') ? 0.01 : 0.1,
    preprocessing: (config.tensorflow ? symmetricPreprocessing : imageNetPreprocessing)(config.imageSize),
    renaming: () => passed,
  };
}

function mobileStages(
  params: MobileParams,
  config: MobileConfig,
  plan: MobilePlan,
  pixels: tf.Tensor4D,
  observe: Observe | undefined,
): tf.Tensor4D[] {
  const { padding, normalising } = settingsOf(config, observe);
  const x = activate(plan.activation, (after) =>
    convNorm(params.stem, pixels, { stride: 2, padding: padding(3) }, normalising, after),
  );
  return [x, ...stagesAfter(0, params, config, plan, x, observe)];
}

/** What follows a stage; stage 0 is the stem. */
function stagesAfter(
  first: number,
  params: MobileParams,
  config: MobileConfig,
  plan: MobilePlan,
  map: tf.Tensor4D,
  observe: Observe | undefined,
): tf.Tensor4D[] {
  const { padding, normalising } = settingsOf(config, observe);
  const outputs: tf.Tensor4D[] = [];
  let x = map;
  for (const [stage, blocks] of params.stages.entries()) {
    if (stage < first) continue;
    for (const [index, block] of blocks.entries()) {
      const of = plan.stages[stage]![index]!;
      const through = () => invertedResidual(block, of, plan.squeeze, padding(of.kernel), x, normalising);
      x = observe ? through() : tidyUntaped(through);
    }
    outputs.push(x);
  }
  const { head } = params;
  if (head) outputs.push(activate(plan.activation, (after) => convNorm(head, x, {}, normalising, after)));
  return outputs;
}

function settingsOf(config: MobileConfig, observe: Observe | undefined) {
  const padding = (kernel: number) => (config.tensorflow ? ('same' as const) : (kernel - 1) / 2);
  const normalising: Normalising = { epsilon: epsilonOf(config), observe };
  return { padding, normalising };
}

function invertedResidual(
  { widen, depthwise, weigh, narrow }: MobileBlockParams,
  { inputs, outputs, stride, activation: name }: MobileBlock,
  squeeze: MobilePlan['squeeze'],
  padding: number | 'same',
  x: tf.Tensor4D,
  normalising: Normalising,
): tf.Tensor4D {
  const wide = widen ? activate(name, (after) => convNorm(widen, x, {}, normalising, after)) : x;
  let y = activate(name, (after) => depthwiseNorm(depthwise, wide, { stride, padding }, normalising, after));
  if (weigh) y = tf.mul(y, channelWeights(weigh, squeeze, y));
  return convNorm(narrow, y, {}, normalising, { plus: stride === 1 && inputs === outputs ? x : undefined });
}

/** How much of every channel is let through, [batch, 1, 1, channels] (Hu et al. 2018, https://arxiv.org/abs/1709.01507). */
function channelWeights(
  { reduce, expand }: NonNullable<MobileBlockParams['weigh']>,
  { activation: name, gate }: MobilePlan['squeeze'],
  x: tf.Tensor4D,
): tf.Tensor4D {
  const average = tf.mean<tf.Tensor4D>(x, [1, 2], true);
  const inner = activation(name)(convolve(average, reduce.weight, {}, { bias: reduce.bias }));
  const outer = convolve(inner, expand.weight, {}, { bias: expand.bias });
  return gate === 'sigmoid' ? tf.sigmoid(outer) : hardSigmoid(outer);
}

const hardSigmoid = <T extends tf.Tensor>(x: T): T => tf.mul(tf.relu6(tf.add(x, 3)), 1 / 6);
const hardSwish = <T extends tf.Tensor>(x: T): T => tf.mul(x, hardSigmoid(x));

const activationOf = (name: MobileActivation): Activation => (name === 'hardswish' ? hardSwish : activation(name));

/** The convolution and its activation. */
const activate = (name: MobileActivation, convolution: (after: AfterNorm) => tf.Tensor4D) =>
  activated(name, activationOf(name), convolution);
