import * as tf from '@tensorflow/tfjs';
import { Random } from '../core/random';
import type { Tree } from '../core/tree';
import { expectPixels } from '../encoders/expectPixels';
import type { Encoder, Preprocessing } from '../encoders/types';
import { VisionEncoder } from '../encoders/visionEncoder';
import type { Clip } from './clip';

/** CLIP's one vector of a picture as an encoder: a grid of one position, in the space that pictures and texts share. */
export class ClipPictureEncoder implements Encoder {
  readonly config: { readonly type: 'clip-picture'; readonly projectionSize: number };
  readonly preprocessing: Preprocessing;
  readonly grid = [1, 1] as const;
  readonly featureSize: number;
  readonly params: Tree;

  /** The model stays the caller's. */
  constructor(
    private readonly clip: Clip,
    preprocessing?: Preprocessing,
  ) {
    const { vision, visualProjection } = clip.params;
    const tower = { ...clip.config.vision, type: 'vision-tower' as const };
    this.preprocessing = preprocessing ?? new VisionEncoder(tower, new Random(0), vision).preprocessing;
    this.featureSize = clip.config.projectionSize;
    this.config = { type: 'clip-picture', projectionSize: this.featureSize };
    this.params = { vision, visualProjection };
  }

  encode(pixels: tf.Tensor4D): tf.Tensor3D {
    expectPixels(pixels, this.preprocessing);
    return tf.expandDims(this.clip.projectSeen(this.clip.see(pixels)), 1);
  }

  /** Does nothing: `clip.dispose()` releases the model. */
  dispose(): void {}
}
