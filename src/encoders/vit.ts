import * as tf from '@tensorflow/tfjs';
import { multiHeadSpec } from '../attention/multiHead';
import {
  layerOutput,
  recomputedLayer,
  type TransformerLayerConfig,
  transformerLayer,
} from '../attention/transformerLayer';
import { activation } from '../core/activations';
import { dense } from '../core/dense';
import { type Dropout, dropout } from '../core/dropout';
import { UsageError } from '../core/errors';
import { layerNorm } from '../core/layerNorm';
import { layerNormSpec, linearSpec, tableSpec } from '../core/layerSpecs';
import { Random } from '../core/random';
import { createParams, loadParams, type ParamsOf, stateDict, type WeightSource } from '../core/spec';
import { disposeTree } from '../core/tree';
import { expectPixels } from './expectPixels';
import { embedPatches, patchGrid, patchSpec } from './patches';
import { resizePositions } from './positions';
import type { Encoder, Preprocessing } from './types';
import type { ViTConfig } from './vitConfig';

/** Of the normal distribution that weights are drawn from. */
const DEVIATION = 0.02;

/** @param prefix - of all names in the file, such as `vit.` or `encoder.` */
export function vitSpec(config: ViTConfig, prefix = '') {
  const { imageSize, patchSize, channels, hiddenSize, numLayers, innerSize, qkvBias, pooler, classes } = config;
  const [rows, columns] = patchGrid(imageSize, patchSize);
  const drawn = { deviation: DEVIATION };
  return {
    classToken: tableSpec<tf.Rank.R3>(`${prefix}embeddings.cls_token`, [1, 1, hiddenSize], DEVIATION),
    positions: tableSpec<tf.Rank.R3>(
      `${prefix}embeddings.position_embeddings`,
      [1, 1 + rows * columns, hiddenSize],
      DEVIATION,
    ),
    patches: patchSpec(`${prefix}embeddings.patch_embeddings.projection`, patchSize, channels, hiddenSize),
    layers: Array.from({ length: numLayers }, (_, layer) => {
      const at = `${prefix}encoder.layer.${layer}`;
      const inner = `${at}.attention.attention`;
      return {
        attention: multiHeadSpec(
          {
            query: `${inner}.query`,
            key: `${inner}.key`,
            value: `${inner}.value`,
            output: `${at}.attention.output.dense`,
          },
          { querySize: hiddenSize, bias: qkvBias, ...drawn },
        ),
        attentionNorm: layerNormSpec(`${at}.layernorm_before`, hiddenSize),
        up: linearSpec(`${at}.intermediate.dense`, hiddenSize, innerSize, drawn),
        down: linearSpec(`${at}.output.dense`, innerSize, hiddenSize, drawn),
        feedForwardNorm: layerNormSpec(`${at}.layernorm_after`, hiddenSize),
      };
    }),
    norm: layerNormSpec(`${prefix}layernorm`, hiddenSize),
    pooler: pooler && linearSpec(`${prefix}pooler.dense`, hiddenSize, pooler.size, drawn),
    classifier: classes === undefined ? undefined : linearSpec('classifier', hiddenSize, classes, drawn),
  };
}

export type ViTParams = ParamsOf<ReturnType<typeof vitSpec>>;

/**
 * features [batch, 1 + patches, hiddenSize], the class token first, after the last norm; hiddenStates the same before it: of
 * the embeddings and of every layer; attentions [batch, heads, 1 + patches, 1 + patches]
 */
export type ViTOutputs = { features: tf.Tensor3D; hiddenStates: tf.Tensor3D[]; attentions: tf.Tensor4D[] };

/** What is dropped in training; whether layers are computed again on the way back; whether attentions are wanted. */
export type ViTOptions = { drop?: Dropout | undefined; recomputes?: boolean; attentions?: boolean };

/**
 * A vision transformer. With `recomputes`, and with `attentions: false`, there are no attentions. Positions are resized where the pictures are not of the size that they were learned for.
 *
 * @param pixels - [batch, height, width, channels]
 * @see Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929
 */
export function vit(
  params: ViTParams,
  config: ViTConfig,
  pixels: tf.Tensor4D,
  { drop, recomputes = false, attentions: attends = true }: ViTOptions = {},
): ViTOutputs {
  const { hiddenSize, numHeads, epsilon, patchSize, imageSize } = config;
  const [batch, height, width] = pixels.shape;
  const token = tf.tile(params.classToken, [batch, 1, 1]);
  const grid = patchGrid([height, width], patchSize);
  const places = resizePositions(tf.squeeze(params.positions, [0]), patchGrid(imageSize, patchSize), grid);
  const embedded = tf.add<tf.Tensor3D>(tf.concat([token, embedPatches(params.patches, pixels)], 1), places);

  const layer: TransformerLayerConfig = { numHeads, norm: 'pre', epsilon, activate: activation(config.activation) };
  const hiddenStates = [dropout(embedded, drop, 'embeddings')];
  const attentions: tf.Tensor4D[] = [];
  for (const [index, each] of params.layers.entries()) {
    const inLayer = drop && { ...drop, random: drop.random.fork(index) };
    if (recomputes) {
      hiddenStates.push(recomputedLayer(each, hiddenStates.at(-1)!, layer, { drop: inLayer }));
      continue;
    }
    if (!attends) {
      hiddenStates.push(layerOutput(each, hiddenStates.at(-1)!, layer, { drop: inLayer }));
      continue;
    }
    const { output, weights } = transformerLayer(each, hiddenStates.at(-1)!, layer, { drop: inLayer });
    hiddenStates.push(output);
    attentions.push(weights);
  }
  const features = layerNorm(params.norm, hiddenStates.at(-1)!, epsilon);
  return { features: tf.reshape(features, [batch, -1, hiddenSize]), hiddenStates, attentions };
}

/** The class token's features [batch, 1 + patches, hiddenSize] after one more layer, [batch, pooler size]. */
export function vitPooled({ pooler }: ViTParams, config: ViTConfig, features: tf.Tensor3D): tf.Tensor2D {
  if (!pooler || !config.pooler) throw new UsageError('This ViT has no pooler; its configuration would name one.');
  return activation(config.pooler.activation, 'pooler_act')(dense(pooler, classTokenOf(features)));
}

/** Logits [batch, classes] of features [batch, 1 + patches, hiddenSize]. */
export function vitLogits({ classifier }: ViTParams, features: tf.Tensor3D): tf.Tensor2D {
  if (!classifier) throw new UsageError('This ViT has no classifier; its configuration would name the classes.');
  return dense(classifier, classTokenOf(features));
}

function classTokenOf(features: tf.Tensor3D): tf.Tensor2D {
  const [batch, , size] = features.shape;
  return tf.reshape(tf.slice(features, [0, 0, 0], [batch, 1, size]), [batch, size]);
}

/** Pixels from -1 to 1, as published vision transformers read them. */
const preprocessingOf = ({ imageSize }: ViTConfig): Preprocessing => ({
  size: [...imageSize],
  resize: 'squash',
  filter: 'bilinear',
  mean: 127.5,
  scale: 1 / 127.5,
});

/** A vision transformer as an encoder: the features of the class token, which is `leading`, and of the patches. */
export class ViT implements Encoder {
  readonly grid: readonly [number, number];
  readonly featureSize: number;
  readonly leading = 1;
  /** Whether training computes the layers a second time instead of keeping all that they made, as `TransformerDecoder`. */
  recomputes = false;

  /** @param params - by default drawn from `random`; they belong to the encoder from here on */
  constructor(
    readonly config: ViTConfig,
    random: Random,
    readonly params: ViTParams = createParams(vitSpec(config), random),
    readonly preprocessing: Preprocessing = preprocessingOf(config),
  ) {
    this.grid = patchGrid(preprocessing.size, config.patchSize);
    this.featureSize = config.hiddenSize;
  }

  /**
   * Weights of a file of transformers' `ViTModel` or `ViTForImageClassification`.
   *
   * @throws DataError with everything in the file that is missing, unexpected or of another shape
   */
  static async load(config: ViTConfig, source: WeightSource, preprocessing?: Preprocessing): Promise<ViT> {
    const { pooler, ...bare } = config;
    const kept = pooler && hasPooler(source) ? config : bare;
    const params = await loadParams(vitSpec(kept), source, new Random(0), { rename: renameOf(kept) });
    return new ViT(kept, new Random(0), params, preprocessing);
  }

  /** All that a forward pass makes; pictures may be of another size than the positions were learned for. */
  run(pixels: tf.Tensor4D, options: ViTOptions = {}): ViTOutputs {
    return vit(this.params, this.config, pixels, options);
  }

  encode(pixels: tf.Tensor4D): tf.Tensor3D {
    expectPixels(pixels, this.preprocessing, this.config.channels);
    return this.run(pixels, { recomputes: this.recomputes, attentions: false }).features;
  }

  /** The parameters as PyTorch has them; the tensors belong to the caller. */
  stateDict(): Generator<[key: string, value: tf.Tensor]> {
    return stateDict(vitSpec(this.config, this.config.classes === undefined ? '' : 'vit.'), this.params);
  }

  dispose(): void {
    disposeTree(this.params);
  }
}

/** Files of the bare model have no prefix, those with a head have `vit.`; a head that is not asked for is passed over. */
function renameOf({ classes }: ViTConfig) {
  return (name: string): string | undefined => {
    const key = name.replace(/^vit\./, '');
    if (key === 'embeddings.mask_token') return undefined; // of pretraining
    return classes === undefined && key.startsWith('classifier.') ? undefined : key;
  };
}

const hasPooler = ({ tensors }: WeightSource) =>
  [...tensors.keys()].some((name) => name.endsWith('pooler.dense.weight'));
