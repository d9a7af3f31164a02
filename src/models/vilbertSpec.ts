import { multiHeadSpec } from '../attention/multiHead';
import { embeddingSpec, layerNormSpec, linearSpec } from '../core/layerSpecs';
import type { ParamsOf } from '../core/spec';
import {
  bertEmbeddingSpec,
  bertFeedForwardSpec,
  bertHeadSpec,
  bertLayerSpec,
  bertTransformSpec,
} from '../decoders/bertParts';
import type { VilbertConfig } from './vilbertConfig';
import { vilbertTasksSpec } from './vilbertTasks';

const DRAWN = { deviation: 0.02 };
const HEAD = 'cls.predictions.';
const TASKS = 20;

/** The parameters of ViLBERT under the names of its files. */
export function vilbertSpec(config: VilbertConfig) {
  const { vocabSize, maxPositions, tokenTypes, words, regions, both, connections } = config;
  const layers = (name: string, stream: typeof words) =>
    Array.from({ length: stream.numLayers }, (_, layer) => bertLayerSpec(`bert.encoder.${name}.${layer}`, stream));
  const texts = { vocabSize, maxPositions, tokenTypes, hiddenSize: words.hiddenSize };
  const at = 'bert.v_embeddings.';
  const guessed = 'cls.imagePredictions.';
  return {
    text: bertEmbeddingSpec(texts, 'bert.embeddings.', [`${HEAD}decoder`]),
    tasks: config.taskTokens ? embeddingSpec('bert.embeddings.task_embeddings', TASKS, words.hiddenSize) : undefined,
    seen: {
      features: linearSpec(`${at}image_embeddings`, regions.featureSize, regions.hiddenSize, DRAWN),
      boxes: linearSpec(`${at}image_location_embeddings`, 5, regions.hiddenSize, DRAWN),
      norm: layerNormSpec(`${at}LayerNorm`, regions.hiddenSize),
    },
    wordLayers: layers('layer', words),
    regionLayers: layers('v_layer', regions),
    connections: connections.map((_, index) => connectionSpec(`bert.encoder.c_layer.${index}`, config)),
    wordPooler: linearSpec('bert.t_pooler.dense', words.hiddenSize, both.hiddenSize, DRAWN),
    regionPooler: linearSpec('bert.v_pooler.dense', regions.hiddenSize, both.hiddenSize, DRAWN),
    head: bertHeadSpec({ ...texts, tied: true }, HEAD),
    match: linearSpec('cls.bi_seq_relationship', both.hiddenSize, 2, DRAWN),
    regionHead: {
      ...bertTransformSpec(guessed, regions.hiddenSize),
      output: linearSpec(`${guessed}decoder`, regions.hiddenSize, regions.targetSize, DRAWN),
    },
    heads: vilbertTasksSpec(config),
  };
}

/** Words and regions look at each other; names with 1 are those of regions. */
function connectionSpec(at: string, { words, regions, both }: VilbertConfig) {
  const stream = (number: 1 | 2, letter: 'v' | 't', sizes: typeof words) => {
    const name = (part: string) => `${at}.biattention.${part}${number}`;
    return {
      cross: multiHeadSpec(
        { query: name('query'), key: name('key'), value: name('value'), output: `${at}.biOutput.dense${number}` },
        { querySize: sizes.hiddenSize, width: both.hiddenSize, ...DRAWN },
      ),
      crossNorm: layerNormSpec(`${at}.biOutput.LayerNorm${number}`, sizes.hiddenSize),
      ...bertFeedForwardSpec(`${at}.${letter}_intermediate`, `${at}.${letter}_output`, sizes),
    };
  };
  return { words: stream(2, 't', words), regions: stream(1, 'v', regions) };
}

export type VilbertParams = ParamsOf<ReturnType<typeof vilbertSpec>>;
