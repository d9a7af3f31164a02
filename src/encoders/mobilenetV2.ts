import * as tf from '@tensorflow/tfjs';
import { glorot } from '../core/init';
import { variables } from '../core/parameters';
import type { Random } from '../core/random';
import { tidyUntaped } from '../core/tidyUntaped';
import { disposeTree } from '../core/tree';
import { convolve, convolveChannels } from './conv';
import { expectPixels } from './expectPixels';
import type { Encoder, Preprocessing } from './types';

/** Height and width of the pictures, a multiple of 32: 224 gives a 7 x 7 grid. */
export type MobileNetV2Config = { type: 'mobilenet-v2'; imageSize: number };

/** weight [height, width, in, out] (depthwise: [3, 3, channels, 1]), bias [out]; batch norm is folded into both. */
export type ConvParams = { weight: tf.Tensor4D; bias: tf.Tensor1D };

/** `expand` is absent where the expansion is 1. */
export type BlockParams = { expand?: ConvParams; depthwise: ConvParams; project: ConvParams };

export type MobileNetV2Params = { stem: ConvParams; blocks: BlockParams[]; head: ConvParams };

/** Expansion, channels, repeats and first stride of every stage: table 2 of the paper. */
const STAGES = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;
const STEM_CHANNELS = 32;
const HEAD_CHANNELS = 1280;

type Block = { inputs: number; outputs: number; expansion: number; stride: 1 | 2 };

const BLOCKS: readonly Block[] = STAGES.flatMap(([expansion, outputs, repeats, stride], stage) => {
  const before = STAGES[stage - 1]?.[1] ?? STEM_CHANNELS;
  return Array.from({ length: repeats }, (_, repeat) => ({
    inputs: repeat === 0 ? before : outputs,
    outputs,
    expansion,
    stride: repeat === 0 ? stride : 1,
  }));
});

function convParams(shape: [number, number, number, number], random: Random): ConvParams {
  const [, , inputs, outputs] = shape;
  return { weight: glorot<tf.Rank.R4>(shape, random), bias: tf.zeros([outputs === 1 ? inputs : outputs]) };
}

function mobileNetV2Params(random: Random): MobileNetV2Params {
  return {
    stem: convParams([3, 3, 3, STEM_CHANNELS], random.fork('stem')),
    blocks: BLOCKS.map(({ inputs, outputs, expansion }, index) => {
      const block = random.fork('block').fork(index);
      const inner = inputs * expansion;
      return {
        ...(expansion > 1 && { expand: convParams([1, 1, inputs, inner], block.fork('expand')) }),
        depthwise: convParams([3, 3, inner, 1], block.fork('depthwise')),
        project: convParams([1, 1, inner, outputs], block.fork('project')),
      };
    }),
    head: convParams([1, 1, BLOCKS.at(-1)!.outputs, HEAD_CHANNELS], random.fork('head')),
  };
}

/** Inverted residual with a linear bottleneck: widen, filter each channel, narrow. */
function invertedResidual(params: BlockParams, { inputs, outputs, stride }: Block, x: tf.Tensor4D): tf.Tensor4D {
  const { expand, depthwise, project } = params;
  const wide = expand ? convolve(x, expand.weight, SAME, { bias: expand.bias, activation: 'relu6' }) : x;
  const filtering = { bias: depthwise.bias, activation: 'relu6' } as const;
  const filtered = convolveChannels(wide, depthwise.weight, { ...SAME, stride }, filtering);
  const plus = stride === 1 && inputs === outputs ? x : undefined;
  return convolve(filtered, project.weight, SAME, { bias: project.bias, plus });
}

const SAME = { padding: 'same' } as const;

/** pixels [batch, height, width, 3] -> [batch, height / 32, width / 32, 1280] */
export function mobileNetV2({ stem, blocks, head }: MobileNetV2Params, pixels: tf.Tensor4D): tf.Tensor4D {
  let x = convolve(pixels, stem.weight, { ...SAME, stride: 2 }, { bias: stem.bias, activation: 'relu6' });
  for (const [index, block] of BLOCKS.entries()) x = tidyUntaped(() => invertedResidual(blocks[index]!, block, x));
  return convolve(x, head.weight, SAME, { bias: head.bias, activation: 'relu6' });
}

/**
 * MobileNetV2 1.0 without its classifier, batch norm folded into the convolutions.
 *
 * @see Sandler et al. 2018, https://arxiv.org/abs/1801.04381, table 2. Paddings are TensorFlow's `same`.
 */
export class MobileNetV2 implements Encoder {
  readonly params: MobileNetV2Params;
  readonly grid: readonly [number, number];
  readonly featureSize = HEAD_CHANNELS;
  readonly preprocessing: Preprocessing;

  constructor(
    readonly config: MobileNetV2Config,
    random: Random,
  ) {
    const side = config.imageSize;
    if (!Number.isInteger(side / 32) || side < 32)
      throw new RangeError(`imageSize is ${side} but should be a multiple of 32, such as 224.`);
    this.grid = [side / 32, side / 32];
    // 127 and 1/127.5 are the zero point and the scale of the quantised network that the weights come from.
    this.preprocessing = { size: [side, side], resize: 'squash', filter: 'bilinear', mean: 127, scale: 1 / 127.5 };
    this.params = variables(mobileNetV2Params(random));
  }

  encode(pixels: tf.Tensor4D): tf.Tensor3D {
    expectPixels(pixels, this.preprocessing);
    const [rows, columns] = this.grid;
    return tf.reshape(mobileNetV2(this.params, pixels), [pixels.shape[0], rows * columns, HEAD_CHANNELS]);
  }

  dispose(): void {
    disposeTree(this.params);
  }
}

/**
 * Turns a file of numbered layers (`l00.weight` [out, height, width, in], depthwise [1, height, width, channels], as
 * TensorFlow Lite orders them) into the paths of `MobileNetV2Params`. The classifier's layer is left out.
 *
 * @returns for each path of ours the name in the file and the order of axes that turns it into ours
 */
export function mobileNetV2LayerNames(): Map<string, { name: string; axes?: number[] }> {
  const convolutions = [
    'stem',
    ...BLOCKS.flatMap(({ expansion }, index) =>
      [...(expansion > 1 ? ['expand'] : []), 'depthwise', 'project'].map((part) => `blocks.${index}.${part}`),
    ),
    'head',
  ];
  return new Map(
    convolutions.flatMap((path, layer) => {
      const name = `l${String(layer).padStart(2, '0')}`;
      return [
        [`${path}.weight`, { name: `${name}.weight`, axes: [1, 2, 3, 0] }],
        [`${path}.bias`, { name: `${name}.bias` }],
      ];
    }),
  );
}
