import * as tf from '@tensorflow/tfjs';
import { glorot, uniform } from '../../src/core/init';
import { variables } from '../../src/core/parameters';
import type { Random } from '../../src/core/random';
import { tidyUntaped } from '../../src/core/tidyUntaped';
import type { ConvParams } from '../../src/encoders/mobilenetV2';

type Block = { reduce: ConvParams; spatial: ConvParams; expand: ConvParams; shortcut?: ConvParams };

export type ResNet50Params = { stem: ConvParams; blocks: Block[] };

/** Width, repeats and first stride of every stage (He et al. 2015, https://arxiv.org/abs/1512.03385, table 1). */
const STAGES = [
  [64, 3, 1],
  [128, 4, 2],
  [256, 6, 2],
  [512, 3, 2],
] as const;

const BLOCKS = STAGES.flatMap(([width, repeats, stride], stage) =>
  Array.from({ length: repeats }, (_, repeat) => ({
    inputs: repeat > 0 ? 4 * width : stage === 0 ? 64 : 2 * width,
    width,
    stride: repeat === 0 ? stride : 1,
  })),
);

/** The convolutions of ResNet50, batch norm folded into them, with random weights: for their shapes. */
export function resNet50Params(random: Random): ResNet50Params {
  const conv = (size: number, inputs: number, outputs: number, random: Random): ConvParams => ({
    weight: glorot<tf.Rank.R4>([size, size, inputs, outputs], random),
    bias: uniform<tf.Rank.R1>([outputs], 0.1, random.fork('bias')),
  });
  return variables({
    stem: conv(7, 3, 64, random.fork('stem')),
    blocks: BLOCKS.map(({ inputs, width, stride }, index) => {
      const block = random.fork(index);
      return {
        reduce: conv(1, inputs, width, block.fork('reduce')),
        spatial: conv(3, width, width, block.fork('spatial')),
        expand: conv(1, width, 4 * width, block.fork('expand')),
        ...((stride > 1 || inputs !== 4 * width) && { shortcut: conv(1, inputs, 4 * width, block.fork('shortcut')) }),
      };
    }),
  });
}

const conv = ({ weight, bias }: ConvParams, x: tf.Tensor4D, strides = 1) =>
  tf.add<tf.Tensor4D>(tf.conv2d(x, weight, strides, 'same'), bias);

/** pixels [batch, 224, 224, 3] -> [batch, 7, 7, 2048]; strides are where torchvision has them */
export function resNet50({ stem, blocks }: ResNet50Params, pixels: tf.Tensor4D): tf.Tensor4D {
  let x = tf.maxPool(tf.relu(conv(stem, pixels, 2)), 3, 2, 'same');
  for (const [index, { reduce, spatial, expand, shortcut }] of blocks.entries()) {
    const { stride } = BLOCKS[index]!;
    x = tidyUntaped(() => {
      const narrow = tf.relu(conv(spatial, tf.relu(conv(reduce, x)), stride));
      return tf.relu(tf.add(conv(expand, narrow), shortcut ? conv(shortcut, x, stride) : x));
    });
  }
  return x;
}
