import * as tf from '@tensorflow/tfjs';
import type { ParamsOf } from '../core/spec';
import type { batchNormSpec, Observe } from './batchNorm';
import { maxPool } from './conv';
import { type Architecture, type ConvNetworkOptions, isFrozen, passingOver } from './convNetwork';
import { type ConvNormParams, convNorm, convNormSpec } from './convNorm';
import { symmetricPreprocessing } from './imageNet';
import {
  type Block,
  type Branch,
  CHANNELS,
  inceptionSides,
  type Layer,
  POOLED_AFTER,
  STAGES,
  STEM,
} from './inceptionPlan';
import { averageAround } from './pooling';

export type InceptionV3Config = ConvNetworkOptions & {
  type: 'inception-v3';
  /** Names, layout and averaging; `torchvision`, which are also timm's, by default. */
  names?: 'torchvision' | 'keras';
};

const EPSILON = 1e-3;

/** In Keras layers have numbers, and batch norms no weight. */
function kerasSpec(number: number, shape: [number, number, number, number], frozen: boolean) {
  const suffix = number === 0 ? '' : `_${number}`;
  const { weight, norm } = convNormSpec({ conv: '', norm: '' }, shape, frozen);
  const at = `batch_normalization${suffix}`;
  return {
    weight: { ...weight, key: `conv2d${suffix}/kernel`, layout: 'same' as const },
    norm: {
      weight: { ...norm.weight, key: `${at}/gamma`, absent: 'init' as const, trainable: false },
      bias: { ...norm.bias, key: `${at}/beta` },
      runningMean: { ...norm.runningMean, key: `${at}/moving_mean` },
      runningVariance: { ...norm.runningVariance, key: `${at}/moving_variance` },
    } satisfies ReturnType<typeof batchNormSpec>,
  } satisfies ReturnType<typeof convNormSpec>;
}

function inceptionV3Spec(config: InceptionV3Config) {
  const frozen = isFrozen(config);
  let count = 0;
  const layerSpec = (
    prefix: string,
    { name, outputs, kernel }: Layer,
    inputs: number,
  ): ReturnType<typeof convNormSpec> => {
    const shape: [number, number, number, number] = [...kernel, inputs, outputs];
    const number = count++;
    if (config.names === 'keras') return kerasSpec(number, shape, frozen);
    return convNormSpec({ conv: `${prefix}${name}.conv`, norm: `${prefix}${name}.bn` }, shape, frozen);
  };
  const chain = (prefix: string, layers: readonly Layer[], inputs: number) =>
    layers.map((layer, index) => layerSpec(prefix, layer, layers[index - 1]?.outputs ?? inputs));
  const branchSpec = (prefix: string, { layers, fork }: Branch, inputs: number) => ({
    layers: chain(prefix, layers, inputs),
    fork: fork?.map((layer) => layerSpec(prefix, layer, layers.at(-1)!.outputs)),
  });
  let inputs = CHANNELS[0]!;
  return {
    stem: chain('', STEM, 3),
    stages: STAGES.slice(0, config.stage ?? STAGES.length).map((blocks) =>
      blocks.map((block) => {
        const branches = block.branches.map((branch) => branchSpec(`${block.name}.`, branch, inputs));
        inputs = outputsOf(block, inputs);
        return branches;
      }),
    ),
  };
}

function outputsOf({ branches }: Block, inputs: number): number {
  const each = branches.map(({ layers, fork }) =>
    fork ? fork.reduce((sum, { outputs }) => sum + outputs, 0) : (layers.at(-1)?.outputs ?? inputs),
  );
  return each.reduce((sum, outputs) => sum + outputs, 0);
}

/**
 * Inception v3, as torchvision and Keras have it. Stages: 0 the layers before the blocks, then those of 35 x 35, 17 x 17 and
 * 8 x 8 positions (of 299 x 299 pixels).
 *
 * @see Szegedy et al. 2016, https://arxiv.org/abs/1512.00567
 */
export function inceptionV3(config: InceptionV3Config): Architecture<ReturnType<typeof inceptionV3Spec>> {
  const spec = inceptionV3Spec(config);
  const { stage: _, ...all } = config;
  const keras = config.names === 'keras';
  const passed = passingOver(spec, inceptionV3Spec(all), keras ? /^predictions\// : /^(fc|AuxLogits)\./);
  return {
    config,
    spec,
    stages: (params, pixels, observe) => inceptionStages(params, keras, pixels, observe),
    channels: CHANNELS,
    sides: inceptionSides,
    momentum: keras ? 0.01 : 0.1,
    preprocessing: symmetricPreprocessing(config.imageSize),
    renaming: (names) => {
      const canonical = keras ? kerasNumbering(names) : (name: string) => name;
      return (name) => passed(canonical(name));
    },
  };
}

function inceptionStages(
  params: ParamsOf<ReturnType<typeof inceptionV3Spec>>,
  keras: boolean,
  pixels: tf.Tensor4D,
  observe: Observe | undefined,
): tf.Tensor4D[] {
  const run = (of: ConvNormParams, { kernel: [height, width], stride, valid }: Layer, x: tf.Tensor4D) => {
    const padding = valid ? 0 : ([(height - 1) / 2, (width - 1) / 2] as const);
    return convNorm(of, x, { stride, padding }, { epsilon: EPSILON, observe }, { activation: 'relu' });
  };
  const pool = { max: (x: tf.Tensor4D) => maxPool(x, 3, 2), average: (x: tf.Tensor4D) => averageAround(x, !keras) };
  let x = pixels;
  for (const [index, layer] of STEM.entries()) {
    x = run(params.stem[index]!, layer, x);
    if (POOLED_AFTER.includes(layer.name)) x = maxPool(x, 3, 2);
  }
  const outputs = [x];
  for (const [stage, blocks] of params.stages.entries()) {
    for (const [block, branches] of blocks.entries()) {
      const parts = branches.flatMap(({ layers, fork }, index) => {
        const plan = STAGES[stage]![block]!.branches[index]!;
        let y = plan.pool ? pool[plan.pool](x) : x;
        for (const [at, layer] of plan.layers.entries()) y = run(layers[at]!, layer, y);
        return plan.fork ? plan.fork.map((layer, at) => run(fork![at]!, layer, y)) : [y];
      });
      x = tf.concat(parts, 3);
    }
    outputs.push(x);
  }
  return outputs;
}

/** Keras numbers layers over all models of a session: what counts is their order. */
function kerasNumbering(names: readonly string[]): (name: string) => string {
  const canonical = new Map<string, string>();
  for (const kind of ['conv2d', 'batch_normalization']) {
    const given = new Set(
      names.map((name) => name.split('/')[0]!).filter((name) => name.replace(/_\d+$/, '') === kind),
    );
    const numbered = [...given].map((name) => [name, Number(/_(\d+)$/.exec(name)?.[1] ?? 0)] as const);
    for (const [index, [name]] of numbered.sort(([, a], [, b]) => a - b).entries())
      canonical.set(name, index === 0 ? kind : `${kind}_${index}`);
  }
  // Files that number variables have those of a batch norm without a weight in this order.
  const variables = ['beta', 'moving_mean', 'moving_variance'];
  return (name) => {
    const [layer, ...rest] = name.split('/');
    const variable = rest.join('/').replace(/^vars\/(\d)$/, (_, number) => variables[Number(number)]!);
    return [canonical.get(layer!) ?? layer, variable].join('/');
  };
}
