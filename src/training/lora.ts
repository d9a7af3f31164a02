import * as tf from '@tensorflow/tfjs';
import type { TransformerLayerParams } from '../attention/transformerLayer';
import type { DenseParams, LoRAParams } from '../core/dense';
import { expectPositive, expectWhole, UsageError } from '../core/errors';
import { uniform } from '../core/init';
import type { Random } from '../core/random';

export type LoRAOptions = {
  /** Numbers between the two small matrices. */
  rank?: number;
  /** What they add is multiplied by alpha / rank; twice the rank by default. */
  alpha?: number;
  /** Which linear layers, by their place in the layers, such as `0.attention.query`; by default all of attention. */
  match?: RegExp;
  random: Random;
};

/**
 * Low-rank adaptation: every chosen linear layer x W + b becomes x W + (x A) B scale + b, where A [in, rank] is drawn and
 * B [rank, out] is zero, so that nothing changes at first. Train these alone with `trainOnly(parameters, /\.lora\./)`.
 *
 * @see Hu et al. 2021, https://arxiv.org/abs/2106.09685, section 4.1; A is drawn as in its authors' code, as PyTorch
 * draws linear layers
 */
export class LoRA {
  /** The places of the layers that are adapted. */
  readonly names: readonly string[];
  private readonly adapted: { layer: DenseParams; lora: LoRAParams }[] = [];
  private isMerged = false;

  /**
   * @param layers - of a decoder (`captioner.decoder.parts.layers`) or of a vision transformer (`encoder.params.layers`)
   * @throws UsageError where `match` fits no layer, or there are adapters already
   */
  constructor(layers: readonly TransformerLayerParams[], options: LoRAOptions) {
    const { rank = 8, alpha = 2 * rank, match = /\.(attention|cross)\./, random } = options;
    expectWhole('rank', rank, 1);
    expectPositive('alpha', alpha);
    const found = layers
      .flatMap((layer, index) => linearLayers(layer, `${index}`))
      .filter(([name]) => name.search(match) >= 0);
    if (found.length === 0)
      throw new UsageError(
        `No linear layer has a name that fits ${match}. Names are such as 0.attention.query and 0.up.`,
      );
    for (const [name, { lora }] of found) if (lora) throw new UsageError(`${name} has an adapter already.`);
    this.names = found.map(([name]) => name);
    for (const [name, layer] of found) {
      const [inputs, outputs] = layer.weight.shape;
      const lora = tf.tidy(() => ({
        down: tf.variable(uniform<tf.Rank.R2>([inputs, rank], 1 / Math.sqrt(inputs), random.fork(name))),
        up: tf.variable(tf.zeros<tf.Rank.R2>([rank, outputs])),
        scale: tf.variable(tf.scalar(alpha / rank), false),
      }));
      layer.lora = lora;
      this.adapted.push({ layer, lora });
    }
  }

  get merged(): boolean {
    return this.isMerged;
  }

  /** Folds what was learned into the weights, so that layers are plain again: for saving, and for speed. */
  merge(): void {
    if (this.isMerged) throw new UsageError('The adapters are merged already.');
    this.change(1);
    for (const { layer } of this.adapted) delete layer.lora;
    this.isMerged = true;
  }

  /** Takes it out of the weights again, up to rounding. */
  unmerge(): void {
    if (!this.isMerged) throw new UsageError('The adapters are not merged.');
    this.change(-1);
    for (const { layer, lora } of this.adapted) layer.lora = lora;
    this.isMerged = false;
  }

  /** Removes the adapters; what was merged stays in the weights. */
  dispose(): void {
    for (const { layer, lora } of this.adapted.splice(0)) {
      delete layer.lora;
      tf.dispose(lora);
    }
  }

  private change(sign: 1 | -1): void {
    for (const { layer, lora } of this.adapted)
      tf.tidy(() => {
        const change = tf.mul(tf.matMul(lora.down, lora.up), tf.mul(lora.scale, sign));
        (layer.weight as tf.Variable<tf.Rank.R2>).assign(tf.add(layer.weight, change));
      });
  }
}

/** The linear layers in a tree of parameters, by their path. */
function linearLayers(node: unknown, path: string): [name: string, layer: DenseParams][] {
  if (typeof node !== 'object' || node === null || node instanceof tf.Tensor) return [];
  const { weight } = node as Partial<DenseParams>;
  if (weight instanceof tf.Tensor) return weight.rank === 2 ? [[path, node as DenseParams]] : [];
  return Object.entries(node).flatMap(([name, child]) => linearLayers(child, `${path}.${name}`));
}
