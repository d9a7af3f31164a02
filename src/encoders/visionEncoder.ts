import type * as tf from '@tensorflow/tfjs';
import type { Dropout } from '../core/dropout';
import { Random } from '../core/random';
import { createParams, loadParams, stateDict, type WeightSource } from '../core/spec';
import { disposeTree } from '../core/tree';
import { expectPixels } from './expectPixels';
import { type Grid, patchGrid } from './patches';
import type { Encoder, Preprocessing } from './types';
import {
  isPositionIds,
  leadingTokens,
  type VisionTowerConfig,
  type VisionTowerParams,
  visionNorm,
  visionTower,
  visionTowerSpec,
} from './visionTower';

export type VisionEncoderConfig = VisionTowerConfig & {
  type: 'vision-tower';
  /** Pixels of the pictures that it reads; by default those that it was trained on. Positions are interpolated. */
  inputSize?: Grid;
  /** Whether features are those after the last norm; by default all but for `clip`, whose norm is meant for the class token. */
  normed?: boolean;
};

/** The vision tower of CLIP, SigLIP, GIT or BLIP-2 as an encoder: features of a class token, where it has one, and of all patches. */
export class VisionEncoder implements Encoder {
  readonly grid: Grid;
  readonly leading: number;
  readonly featureSize: number;

  /** @param params - by default drawn from `random`; they belong to the encoder from here on */
  constructor(
    readonly config: VisionEncoderConfig,
    random: Random,
    readonly params: VisionTowerParams = createParams(visionTowerSpec(config, PREFIX), random),
    readonly preprocessing: Preprocessing = preprocessingOf(config),
  ) {
    this.grid = patchGrid(config.inputSize ?? config.imageSize, config.patchSize);
    this.leading = leadingTokens(config);
    this.featureSize = config.size;
  }

  /**
   * Weights of a file of transformers' CLIP or SigLIP, whole or the vision tower alone.
   *
   * @throws DataError with everything in the file that is missing, unexpected or of another shape
   */
  static async load(
    config: VisionEncoderConfig,
    source: WeightSource,
    preprocessing?: Preprocessing,
  ): Promise<VisionEncoder> {
    const rename = (name: string) => (isPositionIds(name) || isOfAnotherPart(name) ? undefined : name);
    const params = await loadParams(visionTowerSpec(config, PREFIX), source, new Random(0), { rename });
    return new VisionEncoder(config, new Random(0), params, preprocessing);
  }

  /** What enters the layers and what each gives, [batch, tokens, size]; pictures may be of any size. */
  run(pixels: tf.Tensor4D, drop?: Dropout): tf.Tensor3D[] {
    return visionTower(this.params, this.config, pixels, drop);
  }

  /** The features of pictures of any size. */
  see(pixels: tf.Tensor4D, drop?: Dropout): tf.Tensor3D {
    const { normed = this.config.kind !== 'clip' } = this.config;
    const last = this.run(pixels, drop).at(-1)!;
    return normed ? visionNorm(this.params, this.config, last) : last;
  }

  encode(pixels: tf.Tensor4D): tf.Tensor3D {
    expectPixels(pixels, this.preprocessing);
    return this.see(pixels);
  }

  /** The parameters as PyTorch has them; the tensors belong to the caller. */
  stateDict(): Generator<[key: string, value: tf.Tensor]> {
    return stateDict(visionTowerSpec(this.config, PREFIX), this.params);
  }

  dispose(): void {
    disposeTree(this.params);
  }
}

const PREFIX = 'vision_model';

const isOfAnotherPart = (name: string) =>
  /^(text_model|vision_model\.head|text_projection|visual_projection|logit_scale|logit_bias)(\.|$)/.test(name);

/** How transformers prepares pictures for these models where nothing else is said. */
function preprocessingOf({ kind, imageSize, inputSize = imageSize }: VisionEncoderConfig): Preprocessing {
  const [height, width] = inputSize;
  const size: [number, number] = [height, width];
  if (kind === 'siglip') return { size, resize: 'squash', filter: 'bicubic', mean: 127.5, scale: 1 / 127.5 };
  const clip = {
    mean: [0.48145466, 0.4578275, 0.40821073].map((mean) => mean * 255) as [number, number, number],
    scale: [0.26862954, 0.26130258, 0.27577711].map((std) => 1 / (255 * std)) as [number, number, number],
  };
  if (kind === 'blip' || height !== width) return { size, resize: 'squash', filter: 'bicubic', ...clip };
  return { size, resize: { shortestEdge: height }, crop: 'floor', filter: 'bicubic', ...clip };
}
