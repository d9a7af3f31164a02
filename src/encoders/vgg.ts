import * as tf from '@tensorflow/tfjs';
import type { ParamsOf } from '../core/spec';
import { batchNormSpec } from './batchNorm';
import { convolve, convSpec, maxPool } from './conv';
import { type Architecture, type ConvNetworkOptions, isFrozen, passingOver } from './convNetwork';
import { convNorm } from './convNorm';
import { caffePreprocessing, imageNetPreprocessing } from './imageNet';

/** Convolutions in each of the five blocks: table 1 of the paper. */
const BLOCKS = { vgg11: [1, 1, 2, 2, 2], vgg13: [2, 2, 2, 2, 2], vgg16: [2, 2, 3, 3, 3], vgg19: [2, 2, 4, 4, 4] };
export const VGG_NAMES = Object.keys(BLOCKS) as (keyof typeof BLOCKS)[];
const CHANNELS = [64, 128, 256, 512, 512];

export type VGGConfig = ConvNetworkOptions & {
  type: keyof typeof BLOCKS;
  /** Whether a batch norm follows each convolution, as in torchvision's `vgg16_bn`; no by default. */
  normed?: boolean;
  /** Names and layout of the parameters in files; `torchvision`, which are also timm's, by default. */
  names?: 'torchvision' | 'keras';
};

/** kernel [3, 3, in, out], its bias, and a batch norm where the network has them */
function layerSpec(config: VGGConfig, key: { conv: string; norm: string }, inputs: number, outputs: number) {
  const { weight, bias } = convSpec(key.conv, [3, 3, inputs, outputs]);
  const norm = config.normed ? batchNormSpec(key.norm, outputs, isFrozen(config)) : undefined;
  if (config.names !== 'keras') return { weight, bias, norm };
  return {
    weight: { ...weight, key: `${key.conv}/kernel`, layout: 'same' } satisfies typeof weight,
    bias: { ...bias, key: `${key.conv}/bias` } satisfies typeof bias,
    norm,
  };
}

function vggSpec(config: VGGConfig) {
  const step = config.normed ? 3 : 2; // convolution, norm, activation
  let index = 0;
  return BLOCKS[config.type].slice(0, (config.stage ?? CHANNELS.length) + 1).map((depth, block) => {
    const layers = Array.from({ length: depth }, (_, layer) => {
      const conv = config.names === 'keras' ? `block${block + 1}_conv${layer + 1}` : `features.${index}`;
      const norm = `features.${index + 1}`;
      index += step;
      const inputs = layer > 0 ? CHANNELS[block]! : block > 0 ? CHANNELS[block - 1]! : 3;
      return layerSpec(config, { conv, norm }, inputs, CHANNELS[block]!);
    });
    index++; // the pooling
    return layers;
  });
}

type VGGParams = ParamsOf<ReturnType<typeof vggSpec>>;

/**
 * VGG: blocks of 3 x 3 convolutions, each before a max pooling that halves the grid. Stages: 0 to 4 the blocks before
 * their pooling, 5 after the last one. Stage 4 of 224 x 224 pixels, 14 x 14 positions of 512 features, is what Xu et al.
 * 2015 (Show, Attend and Tell) look at.
 *
 * @see Simonyan and Zisserman 2015, https://arxiv.org/abs/1409.1556
 */
export function vgg(config: VGGConfig): Architecture<ReturnType<typeof vggSpec>> {
  const spec = vggSpec(config);
  const { stage = CHANNELS.length, ...all } = config;
  const keras = config.names === 'keras';
  const passed = passingOver(
    spec,
    vggSpec(all),
    keras ? /^(fc1|fc2|predictions)\// : /^(classifier|pre_logits|head)\./,
  );
  return {
    config,
    spec,
    stages: (params, pixels, observe) => {
      const normalising = { epsilon: 1e-5, observe };
      const outputs: tf.Tensor4D[] = [];
      let x = keras ? tf.reverse(pixels, 3) : pixels; // Keras's have blue first
      for (const block of params as VGGParams) {
        if (outputs.length > 0) x = maxPool(x, 2, 2);
        for (const { weight, bias, norm } of block) {
          const after = { activation: 'relu' } as const;
          x = norm
            ? convNorm({ weight, norm, bias }, x, { padding: 1 }, normalising, after)
            : convolve(x, weight, { padding: 1 }, { bias, ...after });
        }
        outputs.push(x);
      }
      if (stage === CHANNELS.length) outputs.push(maxPool(x, 2, 2));
      return outputs;
    },
    channels: [...CHANNELS, CHANNELS.at(-1)!],
    sides: (pixels) => Array.from({ length: 6 }, (_, halvings) => Math.floor(pixels / 2 ** halvings)),
    momentum: 0.1,
    preprocessing: keras ? caffePreprocessing(config.imageSize) : imageNetPreprocessing(config.imageSize),
    // The first files of Keras say block1_conv1_W_1 for block1_conv1/kernel.
    renaming: () => (name) => passed(name.replace(/_W_1$/, '/kernel').replace(/_b_1$/, '/bias')),
  };
}
