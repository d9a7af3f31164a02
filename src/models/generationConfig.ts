import * as v from 'valibot';
import { DataError } from '../core/errors';
import { readConfig } from '../core/schema';
import { beam } from '../decoders/search/beam';
import type { Constraints } from '../decoders/search/constraints';
import { greedy } from '../decoders/search/greedy';
import { sample } from '../decoders/search/sample';
import type { Search } from '../decoders/search/types';

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const ids = v.pipe(
  v.union([whole, v.array(whole)]),
  v.transform((given) => [given].flat()),
);
const maybe = <S extends v.GenericSchema>(schema: S) => v.optional(v.nullable(schema));

/** Where only one value is supported, because it changes nothing. */
const only = <const T>(...values: T[]) =>
  maybe(
    v.custom<T>(
      (given) => values.some((value) => JSON.stringify(value) === JSON.stringify(given)),
      (issue) => `is ${issue.received}, which is not supported`,
    ),
  );

const schema = v.strictObject({
  // Tokens.
  bos_token_id: maybe(whole),
  eos_token_id: maybe(ids),
  pad_token_id: maybe(whole),
  decoder_start_token_id: maybe(whole),
  // Strategy.
  do_sample: maybe(v.boolean()),
  num_beams: maybe(whole),
  num_beam_groups: maybe(whole),
  diversity_penalty: maybe(v.number()),
  length_penalty: maybe(v.number()),
  early_stopping: maybe(v.union([v.boolean(), v.literal('never')])),
  num_return_sequences: maybe(whole),
  renormalize_logits: maybe(v.boolean()),
  temperature: maybe(v.number()),
  top_k: maybe(whole),
  top_p: maybe(v.number()),
  min_p: maybe(v.number()),
  typical_p: maybe(v.number()),
  epsilon_cutoff: maybe(v.number()),
  eta_cutoff: maybe(v.number()),
  // Length.
  max_length: maybe(whole),
  max_new_tokens: maybe(whole),
  min_length: maybe(whole),
  min_new_tokens: maybe(whole),
  // Constraints.
  no_repeat_ngram_size: maybe(whole),
  repetition_penalty: maybe(v.number()),
  bad_words_ids: maybe(v.array(v.array(whole))),
  suppress_tokens: maybe(v.array(whole)),
  begin_suppress_tokens: maybe(v.array(whole)),
  forced_bos_token_id: maybe(whole),
  forced_eos_token_id: maybe(ids),
  exponential_decay_length_penalty: maybe(v.tuple([whole, v.number()])),
  // What has no say in the captions.
  _from_model_config: v.optional(v.unknown()),
  transformers_version: v.optional(v.unknown()),
  use_cache: v.optional(v.unknown()),
  output_scores: v.optional(v.unknown()),
  output_logits: v.optional(v.unknown()),
  output_attentions: v.optional(v.unknown()),
  output_hidden_states: v.optional(v.unknown()),
  return_dict_in_generate: v.optional(v.unknown()),
  cache_implementation: v.optional(v.unknown()),
  // Of which only what changes nothing is supported.
  penalty_alpha: only(0),
  encoder_repetition_penalty: only(1),
  encoder_no_repeat_ngram_size: only(0),
  guidance_scale: only(1),
  remove_invalid_values: only(false),
  sequence_bias: only({}),
  force_words_ids: only([]),
  constraints: only([]),
  token_healing: only(false),
  use_mtp: only(false),
});

/** What a `generation_config.json` says, or the settings that people give to `generate` in Python. */
export type GenerationConfig = v.InferOutput<typeof schema>;

/** The names of all settings that are known. */
export const generationKeys = (): ReadonlySet<string> => new Set(Object.keys(schema.entries));

/** @throws DataError for a setting that is not known or has a value that is not supported */
export function readGenerationConfig(json: unknown): GenerationConfig {
  return readConfig(schema, json, 'generation_config');
}

export type ConfiguredSearch = {
  search: Search;
  /** Most tokens to generate, the end token included. */
  maxLength: number;
  /** How many captions are wanted of every picture. */
  wanted: number;
  endId: number[];
  startId: number | undefined;
  padId: number | undefined;
};

/**
 * The search that `generate` of transformers would do with these settings.
 *
 * @param promptLength - tokens that stand before what is generated, which count in `max_length`
 * @throws DataError for a setting that is not known or has a value that is not supported
 */
export function searchFromGenerationConfig(json: unknown, promptLength = 1): ConfiguredSearch {
  const config = readGenerationConfig(json);
  const ends = config.eos_token_id ?? [];
  return {
    search: searchOf(config, promptLength),
    maxLength: config.max_new_tokens ?? (config.max_length ?? 20) - promptLength,
    wanted: config.num_return_sequences ?? 1,
    endId: ends,
    startId: config.decoder_start_token_id ?? config.bos_token_id ?? undefined,
    padId: config.pad_token_id ?? undefined,
  };
}

function searchOf(config: GenerationConfig, promptLength: number): Search {
  const { num_beams: beams, do_sample: sampled, num_beam_groups: groups } = config;
  const constraints = constraintsOf(config, promptLength);
  const beamSize = beams ?? 1;
  const ranking = given({
    lengthPenalty: config.length_penalty,
    earlyStopping: config.early_stopping,
  });
  if (sampled) {
    if ((groups ?? 1) > 1)
      throw new DataError('The generation_config has do_sample and num_beam_groups; take one of them.');
    return sample({
      // transformers looks at the 50 likeliest where nothing is said.
      ...given({ temperature: config.temperature, topP: config.top_p, minP: config.min_p, typicalP: config.typical_p }),
      ...((config.top_k ?? 50) > 0 && { topK: config.top_k ?? 50 }),
      ...given({ epsilon: aboveZero(config.epsilon_cutoff), eta: aboveZero(config.eta_cutoff) }),
      ...(beamSize > 1 ? { beamSize, ...ranking } : { samples: config.num_return_sequences ?? 1 }),
      ...constraints,
    });
  }
  if (beamSize === 1) return greedy(constraints);
  if ((groups ?? 1) > 1 && !config.diversity_penalty)
    throw new DataError('The generation_config has num_beam_groups, which needs a diversity_penalty above 0.');
  return beam({
    beamSize,
    ...ranking,
    ...((groups ?? 1) > 1 && { groups: groups!, diversityPenalty: config.diversity_penalty! }),
    ...(config.renormalize_logits && { renormalise: true }),
    ...constraints,
  });
}

const aboveZero = (value: number | null | undefined) => (value ? value : undefined);

function constraintsOf(config: GenerationConfig, promptLength: number): Constraints {
  const decay = config.exponential_decay_length_penalty;
  return given({
    // transformers forgets min_length where min_new_tokens is given, be it 0.
    minLength: typeof config.min_new_tokens === 'number' ? undefined : aboveZero(config.min_length),
    minNewTokens: aboveZero(config.min_new_tokens),
    noRepeatNgram: aboveZero(config.no_repeat_ngram_size),
    repetitionPenalty: config.repetition_penalty === 1 ? undefined : config.repetition_penalty,
    badWords: config.bad_words_ids,
    suppress: config.suppress_tokens,
    beginSuppress: config.begin_suppress_tokens,
    // After a prompt transformers forces nothing.
    forcedFirst: promptLength === 1 ? config.forced_bos_token_id : undefined,
    forcedLast: config.forced_eos_token_id,
    lengthDecay: decay ? { start: decay[0], factor: decay[1] } : undefined,
  });
}

type Given<T> = { [Name in keyof T]?: NonNullable<T[Name]> };

/** The entries that have a value. */
function given<T extends Record<string, unknown>>(entries: T): Given<T> {
  return Object.fromEntries(
    Object.entries(entries).filter(([, value]) => value !== undefined && value !== null),
  ) as Given<T>;
}
