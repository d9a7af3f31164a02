import * as tf from '@tensorflow/tfjs';
import { uniform } from '../core/init';
import { variables } from '../core/parameters';
import type { Random } from '../core/random';
import { disposeTree } from '../core/tree';
import { expectPixels } from './expectPixels';
import type { Encoder, Preprocessing } from './types';

/** One 3 x 3 convolution of stride 2 per entry of `channels`: each halves the grid. */
export type ConvEncoderConfig = { type: 'conv'; imageSize: number; channels: number[] };

/** weight [3, 3, in, out], bias [out] */
export type ConvEncoderParams = { weight: tf.Tensor4D; bias: tf.Tensor1D }[];

/**
 * A few strided convolutions with ReLU, trained from scratch with the decoder: for drawings and small experiments.
 * Weights are drawn as He et al. 2015 (https://arxiv.org/abs/1502.01852, equation 10) propose, uniformly.
 */
export class ConvEncoder implements Encoder {
  readonly params: ConvEncoderParams;
  readonly grid: readonly [number, number];
  readonly featureSize: number;
  readonly preprocessing: Preprocessing;

  constructor(
    readonly config: ConvEncoderConfig,
    random: Random,
  ) {
    const { imageSize, channels } = config;
    const side = imageSize / 2 ** channels.length;
    if (channels.length === 0 || !Number.isInteger(side))
      throw new RangeError(
        `imageSize ${imageSize} cannot be halved ${channels.length} times. Give 1 or more channels and a multiple of 2 ** channels.length.`,
      );
    this.grid = [side, side];
    this.featureSize = channels.at(-1)!;
    this.preprocessing = {
      size: [imageSize, imageSize],
      resize: 'squash',
      filter: 'bilinear',
      mean: 127.5,
      scale: 1 / 127.5,
    };
    const params = channels.map((outputs, layer) => {
      const inputs = layer === 0 ? 3 : channels[layer - 1]!;
      const weight = uniform<tf.Rank.R4>([3, 3, inputs, outputs], Math.sqrt(6 / (9 * inputs)), random.fork(layer));
      return { weight, bias: tf.zeros<tf.Rank.R1>([outputs]) };
    });
    this.params = variables(params);
  }

  encode(pixels: tf.Tensor4D): tf.Tensor3D {
    expectPixels(pixels, this.preprocessing);
    const convolve = (x: tf.Tensor4D, { weight, bias }: ConvEncoderParams[number]) =>
      tf.relu(tf.add<tf.Tensor4D>(tf.conv2d(x, weight, 2, 'same'), bias));
    const [rows, columns] = this.grid;
    return tf.reshape(this.params.reduce(convolve, pixels), [pixels.shape[0], rows * columns, this.featureSize]);
  }

  dispose(): void {
    disposeTree(this.params);
  }
}
