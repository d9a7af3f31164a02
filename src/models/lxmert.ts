import * as tf from '@tensorflow/tfjs';
import { attentionBias } from '../attention/attentionBias';
import { projectKeys } from '../attention/multiHead';
import { lookLayer, type TransformerLayerConfig, transformerLayer } from '../attention/transformerLayer';
import { dense } from '../core/dense';
import { type Dropout, dropout, within } from '../core/dropout';
import { UsageError } from '../core/errors';
import { layerNorm } from '../core/layerNorm';
import { layerNormSpec, linearSpec } from '../core/layerSpecs';
import { Random } from '../core/random';
import { createParams, loadParams, type ParamsOf, stateDict, type WeightSource } from '../core/spec';
import { disposeTree } from '../core/tree';
import {
  bertAttentionSpec,
  bertEmbeddingSpec,
  bertFeedForwardSpec,
  bertHeadSpec,
  bertLayerSpec,
  bertTransform,
  bertTransformSpec,
} from '../decoders/bertParts';
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
import { classifierSpec, classify } from './classifier';
import type { LxmertConfig } from './lxmertConfig';
import { type BoxedRegions, expectRegions, type TextInput } from './textAndRegions';

const EPSILON = 1e-12;
const DRAWN = { deviation: 0.02 };
const HEAD = 'cls.predictions.';
/** The first row of every table gets no gradient, as in transformers. */
const PAD_IDS = { words: 0, places: 0, types: 0 };

export function lxmertSpec(config: LxmertConfig) {
  const { hiddenSize, layers, featureSize, boxSize, pretraining, answers, guesses } = config;
  const visual = 'lxmert.encoder.visn_fc.';
  const stack = (name: string, count: number) =>
    Array.from({ length: count }, (_, layer) => bertLayerSpec(`lxmert.encoder.${name}.${layer}`, config));
  return {
    text: bertEmbeddingSpec(config, 'lxmert.embeddings.', pretraining ? [`${HEAD}decoder`] : []),
    regions: {
      features: linearSpec(`${visual}visn_fc`, featureSize, hiddenSize, DRAWN),
      featureNorm: layerNormSpec(`${visual}visn_layer_norm`, hiddenSize),
      boxes: linearSpec(`${visual}box_fc`, boxSize, hiddenSize, DRAWN),
      boxNorm: layerNormSpec(`${visual}box_layer_norm`, hiddenSize),
    },
    wordLayers: stack('layer', layers.words),
    regionLayers: stack('r_layers', layers.regions),
    bothLayers: Array.from({ length: layers.both }, (_, layer) => bothSpec(`lxmert.encoder.x_layers.${layer}`, config)),
    pooler: linearSpec('lxmert.pooler.dense', hiddenSize, hiddenSize, DRAWN),
    head: pretraining ? bertHeadSpec({ ...config, tied: true }, HEAD) : undefined,
    match: pretraining ? linearSpec('cls.seq_relationship', hiddenSize, 2, DRAWN) : undefined,
    guesses: guesses && guessesSpec(guesses, hiddenSize, featureSize),
    answers: answers === undefined ? undefined : classifierSpec('answer_head.', hiddenSize, 2 * hiddenSize, answers),
  };
}

/** Words and regions look at each other, with the same weights either way, and then go through a layer of their own. */
function bothSpec(at: string, config: LxmertConfig) {
  const { hiddenSize } = config;
  const cross = bertAttentionSpec(`${at}.visual_attention`, hiddenSize, 'att');
  const own = (name: string) => {
    const { attention, norm } = bertAttentionSpec(`${at}.${name}_self_att`, hiddenSize);
    const forward = bertFeedForwardSpec(`${at}.${name}_inter`, `${at}.${name}_output`, config);
    return { attention, attentionNorm: norm, ...forward };
  };
  return { cross: cross.attention, crossNorm: cross.norm, words: own('lang'), regions: own('visn') };
}

function guessesSpec(
  { objects, attributes, features }: NonNullable<LxmertConfig['guesses']>,
  hiddenSize: number,
  featureSize: number,
) {
  const at = 'obj_predict_head.';
  const layer = (name: string, size: number) => linearSpec(`${at}decoder_dict.${name}`, hiddenSize, size, DRAWN);
  return {
    ...bertTransformSpec(at, hiddenSize),
    objects: objects === undefined ? undefined : layer('obj', objects),
    attributes: attributes === undefined ? undefined : layer('attr', attributes),
    features: features ? layer('feat', featureSize) : undefined,
  };
}

export type LxmertParams = ParamsOf<ReturnType<typeof lxmertSpec>>;

/**
 * The hidden states of both streams: [rows, time, hiddenSize] of words, [rows, regions, hiddenSize] of regions, after each
 * layer, the first of them before any.
 */
export type LxmertRead = {
  words: Stream;
  regions: Stream;
  /** Where words look among the regions in the layers that read both, [rows, heads, time, regions] each. */
  wordsToRegions: tf.Tensor4D[];
  regionsToWords: tf.Tensor4D[];
  /** [rows, hiddenSize], of the first word */
  pooled: tf.Tensor2D;
};

/** Logits or values for every region: [rows, regions, objects], [.., attributes], [.., featureSize] */
export type RegionGuesses = { objects?: tf.Tensor3D; attributes?: tf.Tensor3D; features?: tf.Tensor3D };

/**
 * LXMERT: words by themselves, regions of a picture by themselves, and then both in sight of each other.
 *
 * Boxes are left, top, right and bottom as parts of the picture's width and height.
 *
 * @see Tan and Bansal 2019, https://arxiv.org/abs/1908.07490; transformers, `LxmertForPreTraining`
 */
export class Lxmert {
  /** Which of the two logits of `match` says that text and picture belong together. */
  readonly fits = 1;

  /** @param params - by default drawn from `random`; they belong to the model from here on */
  constructor(
    readonly config: LxmertConfig,
    random: Random,
    readonly params: LxmertParams = createParams(lxmertSpec(config), random),
  ) {}

  /** @throws DataError with everything in the file that is missing, unexpected or of another shape */
  static async load(config: LxmertConfig, source: WeightSource, random = new Random(0)): Promise<Lxmert> {
    return new Lxmert(config, random, await loadParams(lxmertSpec(config), source, random, { rename: bertName }));
  }

  /** @throws UsageError for texts that are longer than the model has places for; RangeError for shapes that do not fit */
  read(texts: TextInput, seen: BoxedRegions, drop?: Dropout): LxmertRead {
    const { params } = this;
    expectRegions(seen, { ...this.config, rows: texts.ids.shape[0] });
    const embedded = layerNorm(params.text.norm, embedTexts(params.text, texts, PAD_IDS), EPSILON);
    const layer = bertLayerConfig({ ...this.config, epsilon: EPSILON });
    const textBias = attentionBias({ queries: texts.ids.shape[1], keyPaddingMask: texts.keyPaddingMask });
    const regionBias = attentionBias({ queries: seen.features.shape[1], keyPaddingMask: seen.keyPaddingMask });
    const words = throughLayers(params.wordLayers, dropout(embedded, drop, 'words'), layer, {
      bias: textBias,
      drop: within(drop, 'wordLayers'),
    });
    const regions = throughLayers(params.regionLayers, dropout(embedRegions(params, seen), drop, 'regions'), layer, {
      bias: regionBias,
      drop: within(drop, 'regionLayers'),
    });
    const read = { words, regions, wordsToRegions: [] as tf.Tensor4D[], regionsToWords: [] as tf.Tensor4D[] };
    for (const [index, each] of params.bothLayers.entries()) {
      const both = bothLayer(each, words.hiddenStates.at(-1)!, regions.hiddenStates.at(-1)!, layer, {
        textBias,
        regionBias,
        drop: within(drop, index),
      });
      words.hiddenStates.push(both.words.output);
      words.attentions.push(both.words.weights);
      regions.hiddenStates.push(both.regions.output);
      regions.attentions.push(both.regions.weights);
      read.wordsToRegions.push(both.wordsToRegions);
      read.regionsToWords.push(both.regionsToWords);
    }
    return { ...read, pooled: poolFirst(params.pooler, words.hiddenStates.at(-1)!, tf.tanh) };
  }

  /**
   * Words at places of the last hidden states of words.
   *
   * @param places - int32 indices row * time + t; all places without it
   * @throws UsageError for a model that only answers
   */
  guess(hidden: tf.Tensor3D, places?: tf.Tensor1D): GuessedWords {
    const { head, text } = this.params;
    const settings = { activation: this.config.activation, epsilon: EPSILON };
    return guessWords({ head: head ?? lacks('words'), words: text.words }, settings, hidden, places);
  }

  /**
   * Logits [rows, 2] of `pooled`: that text and picture do not belong together, and that they do.
   *
   * @throws UsageError for a model that only answers
   */
  match(pooled: tf.Tensor2D): tf.Tensor2D {
    return dense(this.params.match ?? lacks('whether text and picture belong together'), pooled);
  }

  /**
   * Logits [rows, answers] of `pooled`.
   *
   * @throws UsageError for a model that was not made to answer
   */
  answer(pooled: tf.Tensor2D): tf.Tensor2D {
    return classify(this.params.answers ?? lacks('answers'), pooled);
  }

  /**
   * What regions show, of the last hidden states of regions.
   *
   * @throws UsageError for a model that was not made to guess that
   */
  guessRegions(hidden: tf.Tensor3D): RegionGuesses {
    const guesses = this.params.guesses ?? lacks('regions');
    const read = bertTransform(guesses, hidden, { activation: this.config.activation, epsilon: EPSILON });
    const { objects, attributes, features } = guesses;
    return {
      ...(objects && { objects: dense(objects, read) }),
      ...(attributes && { attributes: dense(attributes, read) }),
      ...(features && { features: dense(features, read) }),
    };
  }

  /** The parameters as PyTorch has them; the tensors belong to the caller. */
  stateDict(): Generator<[key: string, value: tf.Tensor]> {
    return stateDict(lxmertSpec(this.config), this.params);
  }

  dispose(): void {
    disposeTree(this.params);
  }
}

function lacks(what: string): never {
  throw new UsageError(
    `This LXMERT was not made to guess ${what}, as its config.json says in architectures and task_*.`,
  );
}

/** [rows, regions, hiddenSize]: half from what is seen, half from where. */
function embedRegions({ regions: params }: LxmertParams, { features, boxes }: BoxedRegions): tf.Tensor3D {
  const what = layerNorm(params.featureNorm, dense(params.features, features), EPSILON);
  const where = layerNorm(params.boxNorm, dense(params.boxes, boxes), EPSILON);
  return tf.mul(tf.add(what, where), 0.5);
}

type Biases = { textBias: tf.Tensor | undefined; regionBias: tf.Tensor | undefined; drop: Dropout | undefined };

function bothLayer(
  params: LxmertParams['bothLayers'][number],
  words: tf.Tensor3D,
  regions: tf.Tensor3D,
  layer: TransformerLayerConfig,
  { textBias, regionBias, drop }: Biases,
) {
  const [ofWords, ofRegions] = [words, regions].map((x) => projectKeys(params.cross, x, layer.numHeads));
  const [wordDrop, regionDrop] = [within(drop, 'words'), within(drop, 'regions')];
  const atRegions = lookLayer(params, words, ofRegions!, layer, { memoryBias: regionBias, drop: wordDrop });
  const atWords = lookLayer(params, regions, ofWords!, layer, { memoryBias: textBias, drop: regionDrop });
  return {
    wordsToRegions: atRegions.weights,
    regionsToWords: atWords.weights,
    words: transformerLayer(params.words, atRegions.output, layer, { bias: textBias, drop: wordDrop }),
    regions: transformerLayer(params.regions, atWords.output, layer, { bias: regionBias, drop: regionDrop }),
  };
}
