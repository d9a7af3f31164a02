import * as tf from '@tensorflow/tfjs';
import { attentionBias } from '../attention/attentionBias';
import { projectKeys } from '../attention/multiHead';
import { feedForwardLayer, lookLayer, type TransformerLayerParams } from '../attention/transformerLayer';
import { constant } from '../core/constant';
import { dense } from '../core/dense';
import { type Dropout, dropout, within } from '../core/dropout';
import { embed } from '../core/embedding';
import { UsageError } from '../core/errors';
import { layerNorm } from '../core/layerNorm';
import { Random } from '../core/random';
import { createParams, loadParams, stateDict, type WeightSource } from '../core/spec';
import { disposeTree } from '../core/tree';
import { bertTransform } from '../decoders/bertParts';
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
import { regionClassLoss, regionFeatureLoss } from './regionLosses';
import { type BoxedRegions, expectRegions, type TextInput } from './textAndRegions';
import { tasksOf, type VilbertConfig, type VilbertStreamConfig } from './vilbertConfig';
import { type VilbertParams, vilbertSpec } from './vilbertSpec';
import { type VilbertTaskInputs, type VilbertTaskLogits, vilbertTasks } from './vilbertTasks';

const EPSILON = 1e-12;

export type VilbertTexts = TextInput & {
  /** [rows] of int32, for models that are told which task it is. */
  tasks?: tf.Tensor1D | undefined;
};

/** The last hidden states of both streams, and what is pooled of their first places. */
export type VilbertRead = VilbertTaskInputs & {
  pooledWords: tf.Tensor2D;
  pooledRegions: tf.Tensor2D;
  /** Of every connection: where words look among the regions, [rows, heads, time, regions], and regions among the words. */
  coAttention: { wordsToRegions: tf.Tensor4D; regionsToWords: tf.Tensor4D }[];
};

/** One stream on its way: [rows, places, size], [rows, places] with 1 = padding, and the layers that are done. */
type Way = { x: tf.Tensor3D; padding: tf.Tensor2D | undefined; done: number };

/**
 * ViLBERT: words and regions of a picture in two streams of layers, which look at each other at some of them.
 *
 * The first region should be the whole picture, see `withWholePicture`. Boxes are left, top, right and bottom as parts of the
 * picture's width and height, and the part of its area. Padding gets no attention at all, where the research code subtracts
 * 10000 from its scores.
 *
 * @see Lu et al. 2019, https://arxiv.org/abs/1908.02265; `BertForMultiModalPreTraining` and `VILBertForVLTasks` of
 * https://github.com/facebookresearch/vilbert-multi-task
 */
export class Vilbert {
  /** Which of the two logits of `match` says that text and picture belong together. */
  readonly fits = 0;

  /** @param params - by default drawn from `random`; they belong to the model from here on */
  constructor(
    readonly config: VilbertConfig,
    random: Random,
    readonly params: VilbertParams = createParams(vilbertSpec(config), random),
  ) {}

  /**
   * The file decides which heads for tasks there are. `q_dense` of co-attention, which nothing reads, is passed over.
   *
   * @throws DataError with everything in the file that is missing, unexpected or of another shape
   */
  static async load(config: VilbertConfig, source: WeightSource, random = new Random(0)): Promise<Vilbert> {
    const found = { ...config, tasks: tasksOf(config, source) };
    const rename = (name: string) => (/\.biOutput\.q_dense[12]\./.test(name) ? undefined : bertName(name));
    return new Vilbert(found, random, await loadParams(vilbertSpec(found), source, random, { rename }));
  }

  /**
   * @throws UsageError for texts that are longer than the model has places for, or without a task where it needs one;
   * RangeError for shapes that do not fit
   */
  read(texts: VilbertTexts, seen: BoxedRegions, drop?: Dropout): VilbertRead {
    const { params, config } = this;
    const rows = config.meet === 'rows' ? texts.ids.shape[0] : -1;
    expectRegions(seen, { rows, featureSize: config.regions.featureSize, boxSize: 5 });
    let words: Way = { ...embedWords(params, config, texts), done: 0 };
    let regions: Way = { x: embedRegions(params, seen), padding: asNumbers(seen.keyPaddingMask), done: 0 };
    words.x = dropout(words.x, drop, 'words');
    regions.x = dropout(regions.x, drop, 'regions');
    const coAttention: VilbertRead['coAttention'] = [];
    const onward = (next: { words: number; regions: number }) => {
      words = advance(params.wordLayers, words, next.words, config.words, within(drop, 'wordLayers'));
      regions = advance(params.regionLayers, regions, next.regions, config.regions, within(drop, 'regionLayers'));
    };
    for (const [index, next] of config.connections.entries()) {
      onward(next);
      if (index === 0) [words, regions] = meet(config.meet, words, regions);
      if (!config.coAttention) continue;
      const looked = connect(params.connections[index]!, config, words, regions, within(drop, index));
      words = { ...words, x: looked.words };
      regions = { ...regions, x: looked.regions };
      coAttention.push(looked.weights);
    }
    onward({ words: config.words.numLayers, regions: config.regions.numLayers });
    const pooledWords = poolFirst(params.wordPooler, words.x, tf.relu);
    const pooledRegions = poolFirst(params.regionPooler, regions.x, tf.relu);
    const fuse = config.fusion === 'mul' ? tf.mul : tf.add;
    const pooled = dropout(fuse<tf.Tensor2D>(pooledWords, pooledRegions), drop, 'pooled');
    const last = { words: words.x, regions: regions.x, regionPadding: regions.padding };
    return { ...last, pooledWords, pooledRegions, pooled, coAttention };
  }

  /**
   * Words at places of the last hidden states of words.
   *
   * @param places - int32 indices row * time + t; all places without it
   */
  guess(hidden: tf.Tensor3D, places?: tf.Tensor1D): GuessedWords {
    const { head, text } = this.params;
    const settings = { activation: this.config.words.activation, epsilon: EPSILON };
    return guessWords({ head, words: text.words }, settings, hidden, places);
  }

  /** What every region shows, of the last hidden states of regions: [rows, regions, targetSize]. */
  guessRegions(hidden: tf.Tensor3D): tf.Tensor3D {
    const { regionHead } = this.params;
    const settings = { activation: this.config.words.activation, epsilon: EPSILON };
    return dense(regionHead.output, bertTransform(regionHead, hidden, settings));
  }

  /**
   * How far guesses of `guessRegions` are from the truth, as the model was trained: by class, or by features.
   *
   * @param guessed - of all regions, the whole picture first, which is left out
   * @param targets - [rows, regions - 1, targetSize]: probabilities of classes, or features
   * @param masked - [rows, regions - 1], 1 = masked
   * @throws UsageError where features were learned by telling them from others
   */
  regionLoss(guessed: tf.Tensor3D, targets: tf.Tensor3D, masked: tf.Tensor2D): tf.Scalar {
    const others = tf.slice(guessed, [0, 1, 0], [-1, -1, -1]);
    const { regionTarget } = this.config;
    if (regionTarget === 'class') return regionClassLoss(others, targets, masked);
    if (regionTarget === 'features') return regionFeatureLoss(others, targets, masked);
    throw new UsageError('The loss of visual_target 2, which tells features from those drawn at random, is not built.');
  }

  /** Logits [rows, 2] of `pooled`: that text and picture belong together, and that they do not. */
  match(pooled: tf.Tensor2D): tf.Tensor2D {
    return dense(this.params.match, pooled);
  }

  /**
   * Logits of all tasks that there are heads for, of what `read` gives.
   *
   * @throws UsageError for a model that was only pretrained
   */
  tasks(read: VilbertTaskInputs): VilbertTaskLogits {
    if (!this.params.heads) throw new UsageError('This ViLBERT has no heads for tasks: it was pretrained only.');
    return vilbertTasks(this.params.heads, read);
  }

  /** The parameters as PyTorch has them; the tensors belong to the caller. */
  stateDict(): Generator<[key: string, value: tf.Tensor]> {
    return stateDict(vilbertSpec(this.config), this.params);
  }

  dispose(): void {
    disposeTree(this.params);
  }
}

const asNumbers = (mask: tf.Tensor2D | undefined) => mask && tf.cast<tf.Tensor2D>(mask, 'float32');

/** [rows, time, hiddenSize], and the token of the task after the first word where there is one */
function embedWords(params: VilbertParams, { taskTokens }: VilbertConfig, texts: VilbertTexts): Omit<Way, 'done'> {
  const sum = embedTexts(params.text, texts, { words: 0 });
  const padding = asNumbers(texts.keyPaddingMask);
  if (!params.tasks || !taskTokens) return { x: layerNorm(params.text.norm, sum, EPSILON), padding };
  if (!texts.tasks) throw new UsageError('This ViLBERT is told which task it is. Give tasks, [rows] of int32.');
  const rows = sum.shape[0];
  const [first, others] = tf.split<tf.Tensor3D>(sum, [1, sum.shape[1] - 1], 1);
  const task = embed(params.tasks, tf.expandDims(texts.tasks, 1));
  const x = layerNorm(params.text.norm, tf.concat<tf.Tensor3D>([first!, task, others!], 1), EPSILON);
  return { x, padding: padding && tf.concat<tf.Tensor2D>([tf.zeros([rows, 1]), padding], 1) };
}

/** [rows, regions, hiddenSize] */
function embedRegions({ seen: params }: VilbertParams, { features, boxes }: BoxedRegions): tf.Tensor3D {
  const sum = tf.add<tf.Tensor3D>(dense(params.features, features), dense(params.boxes, boxes));
  return layerNorm(params.norm, sum, EPSILON);
}

/** A stream through its layers up to the one of number `next`. */
function advance(
  layers: readonly TransformerLayerParams[],
  { x, padding, done }: Way,
  next: number,
  stream: VilbertStreamConfig,
  drop: Dropout | undefined,
): Way {
  const bias = attentionBias({ queries: x.shape[1], keyPaddingMask: padding });
  const config = bertLayerConfig({ ...stream, epsilon: EPSILON });
  const through = (from: number, to: number, start: tf.Tensor3D): Stream =>
    throughLayers(layers.slice(from, to), start, config, { bias, drop: within(drop, from) });
  const fixed = Math.max(done, Math.min(next, stream.fixedLayers));
  const before = through(done, fixed, x).hiddenStates.at(-1)!;
  const after = through(fixed, next, fixed > done ? constant(before) : before);
  return { x: after.hiddenStates.at(-1)!, padding, done: next };
}

/** Texts and pictures as they go on in rows that belong together. */
function meet(how: VilbertConfig['meet'], words: Way, regions: Way): [Way, Way] {
  const [texts, pictures] = [words.x.shape[0], regions.x.shape[0]];
  if (how === 'rows') return [words, regions];
  if (how === 'oneText') return [repeated(words, () => 0, pictures), regions];
  const rows = texts * pictures;
  return [repeated(words, (row) => Math.floor(row / pictures), rows), repeated(regions, (row) => row % pictures, rows)];
}

function repeated({ x, padding, done }: Way, from: (row: number) => number, rows: number): Way {
  const chosen = tf.tensor1d(
    Array.from({ length: rows }, (_, row) => from(row)),
    'int32',
  );
  return { x: tf.gather(x, chosen), padding: padding && tf.gather(padding, chosen), done };
}

function connect(
  params: VilbertParams['connections'][number],
  { words: wordConfig, regions: regionConfig, both }: VilbertConfig,
  words: Way,
  regions: Way,
  drop: Dropout | undefined,
) {
  const look = (own: 'words' | 'regions', x: tf.Tensor3D, other: Way, stream: VilbertStreamConfig) => {
    const config = bertLayerConfig({ ...stream, epsilon: EPSILON, numHeads: both.numHeads });
    const memory = projectKeys(params[own === 'words' ? 'regions' : 'words'].cross, other.x, both.numHeads);
    const memoryBias = attentionBias({ queries: other.x.shape[1], keyPaddingMask: other.padding });
    const inside = within(drop, own);
    const { output, weights } = lookLayer(params[own], x, memory, config, { memoryBias, drop: inside });
    return { output: feedForwardLayer(params[own], output, config, inside), weights };
  };
  const ofWords = look('words', words.x, regions, wordConfig);
  const ofRegions = look('regions', regions.x, words, regionConfig);
  return {
    words: ofWords.output,
    regions: ofRegions.output,
    weights: { wordsToRegions: ofWords.weights, regionsToWords: ofRegions.weights },
  };
}
