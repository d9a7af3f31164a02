import * as v from 'valibot';
import { expectLayers } from '../attention/expectLayers';
import { DataError } from '../core/errors';
import { count, readConfig, whole } from '../core/schema';
import type { WeightSource } from '../core/spec';

/** Layers that read one thing by itself. */
export type VilbertStreamConfig = {
  hiddenSize: number;
  innerSize: number;
  numHeads: number;
  numLayers: number;
  /** As transformers names it. */
  activation: string;
  /** The first so many layers, and what is before them, are not trained. */
  fixedLayers: number;
};

export type VilbertConfig = {
  vocabSize: number;
  /** Most words that positions were learned for. */
  maxPositions: number;
  tokenTypes: number;
  words: VilbertStreamConfig;
  regions: VilbertStreamConfig & {
    /** Of a region. */
    featureSize: number;
    /** How many classes a region may be of, or the size of what is guessed of it. */
    targetSize: number;
  };
  /** Of co-attention, and of what is pooled. */
  both: { hiddenSize: number; numHeads: number };
  /** Before which layer of each stream, counted from 0, words and regions look at each other. */
  connections: { words: number; regions: number }[];
  /** Whether they do look. */
  coAttention: boolean;
  /** How what is pooled of both streams becomes one. */
  fusion: 'mul' | 'sum';
  /**
   * Which texts and pictures meet at the first connection: those of the same row; the one text and every picture; or every
   * text and every picture, row text * pictures + picture.
   */
  meet: 'rows' | 'oneText' | 'all';
  /** Whether a task's token stands after the first word. */
  taskTokens: boolean;
  /** What is guessed of masked regions: their class, or their features, and then by distance or among others. */
  regionTarget: 'class' | 'features' | 'contrast';
  tasks: VilbertTaskSizes | undefined;
};

/**
 * Heads for tasks: those of the first code, or those of the code for twelve tasks at once.
 *
 * @see Lu et al. 2020, 12-in-1, https://arxiv.org/abs/1912.02315
 */
export type VilbertTaskSizes = { kind: 'first'; answers: number } | { kind: 'twelve'; answers: number; gqa: number };

/** As `visual_target` numbers them. */
const TARGETS = ['class', 'features', 'contrast'] as const;

const no = (why: string) => v.optional(v.literal(false, why), false);

const schema = v.object({
  vocab_size: whole,
  hidden_size: v.optional(whole, 768),
  num_hidden_layers: v.optional(count, 12),
  num_attention_heads: v.optional(whole, 12),
  intermediate_size: v.optional(whole, 3072),
  hidden_act: v.optional(v.string(), 'gelu'),
  max_position_embeddings: v.optional(whole, 512),
  type_vocab_size: v.optional(whole, 2),
  v_feature_size: v.optional(whole, 2048),
  v_target_size: v.optional(whole, 1601),
  v_hidden_size: v.optional(whole, 768),
  v_num_hidden_layers: v.optional(count, 3),
  v_num_attention_heads: v.optional(whole, 12),
  v_intermediate_size: v.optional(whole, 3072),
  v_hidden_act: v.optional(v.string(), 'gelu'),
  bi_hidden_size: v.optional(whole, 1024),
  bi_num_attention_heads: v.optional(whole, 16),
  v_biattention_id: v.optional(v.array(count), [0, 1]),
  t_biattention_id: v.optional(v.array(count), [10, 11]),
  fixed_t_layer: v.optional(count, 0),
  fixed_v_layer: v.optional(count, 0),
  with_coattention: v.optional(v.boolean(), true),
  fusion_method: v.optional(v.picklist(['mul', 'sum']), 'mul'),
  fast_mode: v.optional(v.boolean(), false),
  in_batch_pairs: v.optional(v.boolean(), false),
  predict_feature: v.optional(v.boolean(), false),
  visual_target: v.optional(v.picklist([0, 1, 2] as const)),
  task_specific_tokens: v.optional(v.boolean(), false),
  num_labels: v.optional(whole),
  dynamic_attention: no('regions whose attention depends on the words are not supported'),
  model: v.optional(v.literal('bert'), 'bert'),
});

/**
 * Reads the `config.json` of ViLBERT's research code, of the first version or of that for twelve tasks. `intra_gate` is
 * ignored, as the code that it comes from does.
 *
 * @throws DataError for what is no such configuration, or has settings that are not supported
 */
export function readVilbertConfig(json: unknown): VilbertConfig {
  const config = readConfig(schema, json, 'configuration of ViLBERT');
  if (config.fast_mode && config.in_batch_pairs)
    throw new DataError(
      'The configuration of ViLBERT has both fast_mode and in_batch_pairs, of which one may be true.',
    );
  const read: VilbertConfig = {
    vocabSize: config.vocab_size,
    maxPositions: config.max_position_embeddings,
    tokenTypes: config.type_vocab_size,
    words: {
      hiddenSize: config.hidden_size,
      innerSize: config.intermediate_size,
      numHeads: config.num_attention_heads,
      numLayers: config.num_hidden_layers,
      activation: config.hidden_act,
      fixedLayers: config.fixed_t_layer,
    },
    regions: {
      hiddenSize: config.v_hidden_size,
      innerSize: config.v_intermediate_size,
      numHeads: config.v_num_attention_heads,
      numLayers: config.v_num_hidden_layers,
      activation: config.v_hidden_act,
      fixedLayers: config.fixed_v_layer,
      featureSize: config.v_feature_size,
      targetSize: config.v_target_size,
    },
    both: { hiddenSize: config.bi_hidden_size, numHeads: config.bi_num_attention_heads },
    connections: connectionsOf(config.t_biattention_id, config.v_biattention_id),
    coAttention: config.with_coattention,
    fusion: config.fusion_method,
    meet: config.in_batch_pairs ? 'all' : config.fast_mode ? 'oneText' : 'rows',
    taskTokens: config.task_specific_tokens,
    regionTarget: TARGETS[config.visual_target ?? (config.predict_feature ? 1 : 0)],
    tasks: config.num_labels === undefined ? undefined : { kind: 'first', answers: config.num_labels },
  };
  expectLayers(read.words);
  expectLayers(read.regions, 'v_hidden_act');
  expectLayers({ ...read.words, ...read.both });
  for (const [stream, name] of [['words', 't'] as const, ['regions', 'v'] as const])
    expectOrder(read.connections, stream, read[stream], name);
  return read;
}

function connectionsOf(words: number[], regions: number[]): VilbertConfig['connections'] {
  if (words.length === regions.length) return words.map((word, i) => ({ words: word, regions: regions[i]! }));
  throw new DataError(
    `t_biattention_id of ViLBERT has ${words.length} entries and v_biattention_id ${regions.length}, but they belong together.`,
  );
}

function expectOrder(
  connections: VilbertConfig['connections'],
  stream: 'words' | 'regions',
  { numLayers, fixedLayers }: VilbertStreamConfig,
  name: string,
): void {
  const ids = connections.map((each) => each[stream]);
  if (ids.some((id, i) => id > numLayers || id < (ids[i - 1] ?? fixedLayers)))
    throw new DataError(
      `${name}_biattention_id of ViLBERT is [${ids.join(', ')}], but should not fall, from fixed_${name}_layer ${fixedLayers} to ${numLayers} layers.`,
    );
}

/** The heads for tasks that a file holds; the configuration says how many answers there are, or else the file. */
export function tasksOf({ tasks }: VilbertConfig, { tensors }: WeightSource): VilbertTaskSizes | undefined {
  if (!tensors.has('vil_logit.weight')) return undefined;
  const size = (name: string) => tensors.get(name)?.shape[0];
  const [gqa, answers] = ['vil_prediction_gqa', 'vil_prediction'].map((name) => size(`${name}.logit_fc.3.bias`));
  if (gqa !== undefined && answers !== undefined) return { kind: 'twelve', answers, gqa };
  return { kind: 'first', answers: tasks?.answers ?? size('vil_prediction.main.3.bias') ?? 1 };
}
