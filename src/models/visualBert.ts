import * as tf from '@tensorflow/tfjs';
import { attentionBias } from '../attention/attentionBias';
import { dense } from '../core/dense';
import { type Dropout, dropout } from '../core/dropout';
import { embed } from '../core/embedding';
import { UsageError } from '../core/errors';
import { layerNorm } from '../core/layerNorm';
import { embeddingSpec, linearSpec } from '../core/layerSpecs';
import { Random } from '../core/random';
import { createParams, loadParams, type ParamsOf, stateDict, type WeightSource } from '../core/spec';
import { disposeTree } from '../core/tree';
import { bertEmbeddingSpec, bertHeadSpec, bertLayerSpec } from '../decoders/bertParts';
import {
  bertLayerConfig,
  bertName,
  embedTexts,
  type GuessedWords,
  guessWords,
  poolFirst,
  type Stream,
  throughLayers,
} from './bertEncoder';
import { atPlaces } from './clipText';
import { expectRegions, type RegionInput, type TextInput } from './textAndRegions';
import type { VisualBertConfig } from './visualBertConfig';

export function visualBertSpec(config: VisualBertConfig) {
  const { hiddenSize, numLayers, maxPositions, tokenTypes, featureSize, head } = config;
  const at = 'visual_bert.embeddings.';
  const drawn = { deviation: 0.02 };
  const words = 'cls.predictions.';
  const pretraining = head.kind === 'pretraining';
  return {
    text: bertEmbeddingSpec(config, at, pretraining && config.tied ? [`${words}decoder`] : []),
    regions: {
      projection: linearSpec(`${at}visual_projection`, featureSize, hiddenSize, drawn),
      places: embeddingSpec(`${at}visual_position_embeddings`, maxPositions, hiddenSize),
      types: embeddingSpec(`${at}visual_token_type_embeddings`, tokenTypes, hiddenSize),
    },
    layers: Array.from({ length: numLayers }, (_, layer) =>
      bertLayerSpec(`visual_bert.encoder.layer.${layer}`, config),
    ),
    pooler: linearSpec('visual_bert.pooler.dense', hiddenSize, hiddenSize, drawn),
    head: pretraining ? bertHeadSpec(config, words) : undefined,
    match: pretraining ? linearSpec('cls.seq_relationship', hiddenSize, 2, drawn) : undefined,
    classes: pretraining ? undefined : linearSpec('cls', hiddenSize, head.classes, drawn),
  };
}

export type VisualBertParams = ParamsOf<ReturnType<typeof visualBertSpec>>;

export type VisualBertRegions = RegionInput & {
  /** [rows, regions] of int32; by default all are of the second kind, or of the one that there is. */
  types?: tf.Tensor2D | undefined;
  /** [rows, regions, words] of int32: places of the words that a region belongs to, -1 for none. */
  alignment?: tf.Tensor3D | undefined;
};

/** hiddenStates [rows, time + regions, hiddenSize]: words first; pooled [rows, hiddenSize] of the first of them */
export type VisualBertRead = Stream & { pooled: tf.Tensor2D };

/**
 * VisualBERT: words and regions of a picture as one text of BERT.
 *
 * @see Li et al. 2019, https://arxiv.org/abs/1908.03557; transformers, `VisualBertForPreTraining`
 */
export class VisualBert {
  /** Which of the two logits of `match` says that text and picture belong together. */
  readonly fits = 0;

  /** @param params - by default drawn from `random`; they belong to the model from here on */
  constructor(
    readonly config: VisualBertConfig,
    random: Random,
    readonly params: VisualBertParams = createParams(visualBertSpec(config), random),
  ) {}

  /** @throws DataError with everything in the file that is missing, unexpected or of another shape */
  static async load(config: VisualBertConfig, source: WeightSource, random = new Random(0)): Promise<VisualBert> {
    return new VisualBert(
      config,
      random,
      await loadParams(visualBertSpec(config), source, random, { rename: bertName }),
    );
  }

  /**
   * @param regions - without it the text is read alone
   * @throws UsageError for texts that are longer than the model has places for; RangeError for shapes that do not fit
   */
  read(texts: TextInput, regions?: VisualBertRegions, drop?: Dropout): VisualBertRead {
    const { params, config } = this;
    const words = embedTexts(params.text, texts, { words: config.padId });
    if (regions) expectRegions(regions, { rows: texts.ids.shape[0], featureSize: config.featureSize });
    const sum = regions ? tf.concat<tf.Tensor3D>([words, embedRegions(params, config, regions)], 1) : words;
    const x = dropout(layerNorm(params.text.norm, sum, config.epsilon), drop, 'embeddings');
    const keyPaddingMask = regions ? paddingOfBoth(texts, regions) : texts.keyPaddingMask;
    const bias = attentionBias({ queries: x.shape[1], keyPaddingMask });
    const stream = throughLayers(params.layers, x, bertLayerConfig(config), { bias, drop });
    return { ...stream, pooled: poolFirst(params.pooler, stream.hiddenStates.at(-1)!, tf.tanh) };
  }

  /**
   * Words at places of the last hidden states of `read`.
   *
   * @param places - int32 indices row * (time + regions) + t; all places without it
   * @throws UsageError for a model that tells classes
   */
  guess(hidden: tf.Tensor3D, places?: tf.Tensor1D): GuessedWords {
    const { head, text } = this.params;
    return guessWords({ head: head ?? lacks('pretraining'), words: text.words }, this.config, hidden, places);
  }

  /**
   * Logits [rows, 2] of `pooled`: that text and picture belong together, and that they do not.
   *
   * @throws UsageError for a model that tells classes
   */
  match(pooled: tf.Tensor2D): tf.Tensor2D {
    return dense(this.params.match ?? lacks('pretraining'), pooled);
  }

  /**
   * Logits [rows, classes] of what `read` gives.
   *
   * @param texts - those that were read; their padding comes last
   * @throws UsageError for a model that was only pretrained
   */
  classify({ hiddenStates, pooled }: VisualBertRead, texts: TextInput): tf.Tensor2D {
    const params = this.params.classes ?? lacks('classes');
    if (this.config.head.kind === 'pooled') return dense(params, pooled);
    const last = hiddenStates.at(-1)!;
    const [rows, time] = texts.ids.shape;
    const padding = texts.keyPaddingMask ?? tf.zeros<tf.Rank.R2>([rows, time]);
    const lengths = tf.cast(tf.sum(tf.sub(1, padding), 1), 'int32');
    return dense(params, atPlaces(last, tf.sub<tf.Tensor1D>(lengths, tf.scalar(2, 'int32'))));
  }

  /** The parameters as PyTorch has them; the tensors belong to the caller. */
  stateDict(): Generator<[key: string, value: tf.Tensor]> {
    return stateDict(visualBertSpec(this.config), this.params);
  }

  dispose(): void {
    disposeTree(this.params);
  }
}

function lacks(what: 'pretraining' | 'classes'): never {
  const why = what === 'classes' ? 'was only pretrained' : 'tells classes';
  throw new UsageError(`This VisualBERT has no head for ${what}: it ${why}, as its config.json says in architectures.`);
}

/** [rows, regions, hiddenSize], before the norm */
function embedRegions(
  { regions: params, text }: VisualBertParams,
  { hiddenSize, tokenTypes }: VisualBertConfig,
  { features, types, alignment }: VisualBertRegions,
): tf.Tensor3D {
  const [rows, count] = features.shape;
  const first = tf.slice(params.places, [0, 0], [1, hiddenSize]); // all regions stand at place 0
  const second = () => tf.fill<tf.Rank.R2>([1, 1], Math.min(1, tokenTypes - 1), 'int32');
  const kinds = embed(params.types, types ?? second());
  const sum = tf.add<tf.Tensor3D>(tf.add(dense(params.projection, features), first), kinds);
  if (!alignment) return sum;
  const known = tf.cast(tf.notEqual(alignment, -1), 'float32'); // [rows, regions, words]
  const ids = tf.reshape<tf.Rank.R2>(tf.maximum(alignment, tf.scalar(0, 'int32')), [rows, -1]);
  const places = tf.reshape(embed(text.places, ids), [rows, count, -1, hiddenSize]);
  const total = tf.sum(tf.mul(places, tf.expandDims(known, 3)), 2);
  return tf.add(sum, tf.div(total, tf.maximum(tf.sum(known, 2, true), 1)));
}

function paddingOfBoth(texts: TextInput, regions: RegionInput): tf.Tensor2D | undefined {
  if (!texts.keyPaddingMask && !regions.keyPaddingMask) return undefined;
  const [rows, count] = regions.features.shape;
  const own = texts.keyPaddingMask ?? tf.zeros<tf.Rank.R2>([rows, texts.ids.shape[1]]);
  const seen = regions.keyPaddingMask ?? tf.zeros<tf.Rank.R2>([rows, count]);
  return tf.concat<tf.Tensor2D>([tf.cast(own, 'float32'), tf.cast(seen, 'float32')], 1);
}
