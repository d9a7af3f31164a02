import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import {
  badWords,
  type Context,
  finiteScores,
  forcedAt,
  hammingDiversity,
  lengthDecay,
  minLength,
  minNewTokens,
  noRepeatNgram,
  type Processor,
  renormalise,
  repetitionPenalty,
  sequenceBias,
  sourceNoRepeatNgram,
  sourceRepetitionPenalty,
  suppressAtBegin,
  suppressTokens,
} from '../../src/decoders/search/processors';
import { applyEffects } from '../../src/decoders/search/scores';
import {
  epsilonWarper,
  etaWarper,
  minPWarper,
  temperatureWarper,
  topKWarper,
  topPWarper,
  typicalWarper,
  type Warper,
} from '../../src/decoders/search/warpers';
import { GoldenCase, goldenFolders } from '../goldenCase';
import { expectClose } from '../helpers';

await tf.setBackend('cpu');

// biome-ignore lint/suspicious/noExplicitAny: every class has parameters of its own
type Params = Record<string, any>;
type Entry = {
  name: string;
  cls: string;
  params: Params;
  input: string;
  current_tokens?: number[];
  beam_group_idx?: number;
  note?: string;
};
/** What changes the scores of one row, given what the row has read. */
type Change = (scores: Float64Array, context: Context) => void;

const processor = (make: (params: Params) => Processor) => (params: Params) => process(make(params));
const process =
  (made: Processor): Change =>
  (scores, context) => {
    const effect = made(context);
    if (effect) applyEffects([effect], { values: scores });
  };
const warper = (make: (params: Params) => Warper) => (params: Params) => make(params) as Change;
const list = (value: number | number[]) => [value].flat();

/** Ours for every class of transformers, with the parameters that it takes; `device` is where theirs computes. */
const classes: Record<string, { takes: string[]; make: (params: Params, entry: Entry) => Change }> = {
  TemperatureLogitsWarper: {
    takes: ['temperature'],
    make: warper(({ temperature }) => temperatureWarper(temperature)),
  },
  TopKLogitsWarper: {
    takes: ['top_k', 'min_tokens_to_keep'],
    make: warper(({ top_k, min_tokens_to_keep }) => topKWarper(top_k, min_tokens_to_keep)),
  },
  TopPLogitsWarper: {
    takes: ['top_p', 'min_tokens_to_keep'],
    make: warper(({ top_p, min_tokens_to_keep }) => topPWarper(top_p, min_tokens_to_keep)),
  },
  TypicalLogitsWarper: {
    takes: ['mass', 'min_tokens_to_keep'],
    make: warper(({ mass, min_tokens_to_keep }) => typicalWarper(mass, min_tokens_to_keep)),
  },
  MinPLogitsWarper: {
    takes: ['min_p', 'min_tokens_to_keep'],
    make: warper(({ min_p, min_tokens_to_keep }) => minPWarper(min_p, min_tokens_to_keep)),
  },
  EpsilonLogitsWarper: {
    takes: ['epsilon', 'min_tokens_to_keep'],
    make: warper(({ epsilon, min_tokens_to_keep }) => epsilonWarper(epsilon, min_tokens_to_keep)),
  },
  EtaLogitsWarper: {
    takes: ['epsilon', 'min_tokens_to_keep'],
    make: warper(({ epsilon, min_tokens_to_keep }) => etaWarper(epsilon, min_tokens_to_keep)),
  },
  NoRepeatNGramLogitsProcessor: {
    takes: ['ngram_size'],
    make: processor(({ ngram_size }) => noRepeatNgram(ngram_size)),
  },
  EncoderNoRepeatNGramLogitsProcessor: {
    takes: ['encoder_ngram_size', 'encoder_input_ids'],
    make: processor(({ encoder_ngram_size, encoder_input_ids }) =>
      sourceNoRepeatNgram(encoder_ngram_size, (row) => encoder_input_ids[row]),
    ),
  },
  RepetitionPenaltyLogitsProcessor: {
    takes: ['penalty', 'prompt_ignore_length'],
    make: processor(({ penalty, prompt_ignore_length }) => repetitionPenalty(penalty, prompt_ignore_length)),
  },
  EncoderRepetitionPenaltyLogitsProcessor: {
    takes: ['penalty', 'encoder_input_ids'],
    make: processor(({ penalty, encoder_input_ids }) =>
      sourceRepetitionPenalty(penalty, (row) => encoder_input_ids[row]),
    ),
  },
  MinLengthLogitsProcessor: {
    takes: ['min_length', 'eos_token_id', 'device'],
    make: processor(({ min_length, eos_token_id }) => minLength(min_length, list(eos_token_id))),
  },
  MinNewTokensLengthLogitsProcessor: {
    takes: ['prompt_length_to_skip', 'min_new_tokens', 'eos_token_id', 'device'],
    make: ({ prompt_length_to_skip: promptLength, min_new_tokens, eos_token_id }) => {
      const change = process(minNewTokens(min_new_tokens, list(eos_token_id)));
      return (scores, context) => change(scores, { ...context, promptLength });
    },
  },
  NoBadWordsLogitsProcessor: {
    takes: ['bad_words_ids', 'eos_token_id'],
    make: processor(({ bad_words_ids, eos_token_id }) => badWords(bad_words_ids, list(eos_token_id ?? []))),
  },
  SequenceBiasLogitsProcessor: {
    takes: ['sequence_bias'],
    make: processor((params) => sequenceBias(params.sequence_bias)),
  },
  ForcedBOSTokenLogitsProcessor: {
    takes: ['bos_token_id'],
    make: processor(({ bos_token_id }) => forcedAt(1, [bos_token_id])),
  },
  ForcedEOSTokenLogitsProcessor: {
    takes: ['max_length', 'eos_token_id', 'device'],
    make: processor(({ max_length, eos_token_id }) => forcedAt(max_length - 1, list(eos_token_id))),
  },
  SuppressTokensLogitsProcessor: {
    takes: ['suppress_tokens', 'device'],
    make: processor(({ suppress_tokens }) => suppressTokens(suppress_tokens)),
  },
  SuppressTokensAtBeginLogitsProcessor: {
    takes: ['begin_suppress_tokens', 'begin_index', 'device'],
    make: processor(({ begin_suppress_tokens, begin_index }) => suppressAtBegin(begin_suppress_tokens, begin_index)),
  },
  ExponentialDecayLengthPenalty: {
    takes: ['exponential_decay_length_penalty', 'eos_token_id', 'input_ids_seq_length'],
    make: ({ exponential_decay_length_penalty: [start, factor], eos_token_id, input_ids_seq_length: promptLength }) => {
      const change = process(lengthDecay(start, factor, list(eos_token_id)));
      return (scores, context) => change(scores, { ...context, promptLength });
    },
  },
  LogitNormalization: { takes: [], make: processor(() => renormalise) },
  InfNanRemoveLogitsProcessor: { takes: [], make: processor(() => finiteScores) },
  HammingDiversityLogitsProcessor: {
    takes: ['diversity_penalty', 'num_beams', 'num_beam_groups'],
    make: ({ diversity_penalty, num_beams, num_beam_groups }, { current_tokens, beam_group_idx }) => {
      const size = num_beams / num_beam_groups;
      return (scores, { picture: row }) => {
        const begin = Math.floor(row / size) * num_beams;
        const chosen = new Map<number, number>();
        for (const token of current_tokens!.slice(begin, begin + beam_group_idx! * size))
          chosen.set(token, (chosen.get(token) ?? 0) + 1);
        applyEffects([hammingDiversity(diversity_penalty, chosen)], { values: scores });
      };
    },
  },
};

/** The parts of `out.chain`, as its note names them. */
const chainParts: Record<string, (value: number, ends: number[]) => Change> = {
  repetition: (value) => process(repetitionPenalty(value)),
  no_repeat: (value) => process(noRepeatNgram(value)),
  min_length: (value, ends) => process(minLength(value, ends)),
  temperature: temperatureWarper,
  top_k: (value) => topKWarper(value),
  top_p: (value) => topPWarper(value),
  min_p: (value) => minPWarper(value),
  typical: (value) => typicalWarper(value),
  epsilon: (value) => epsilonWarper(value),
  eta: (value) => etaWarper(value),
};

/** `repetition 1.2, min_length 12 (eos 2), temperature .8` */
function chainOf(note: string): Change[] {
  return note.split(/,\s+(?=[a-z])/).map((part) => {
    const [, name, value, ends] = /^(\w+) ([\d.]+)(?: \(eos ([\d, ]+)\))?$/.exec(part.trim()) ?? [];
    const make = chainParts[name ?? ''];
    if (!make) throw new Error(`out.chain has a part that is not known: ${part}`);
    return make(Number(value), ends ? ends.split(/[, ]+/).map(Number) : []);
  });
}

describe.each(goldenFolders('logits_processors').map((folder) => new GoldenCase(folder)))('$folder', (golden) => {
  const ids = golden.tensor('in.input_ids').arraySync() as number[][];
  golden.tensor('in.encoder_input_ids').dispose();

  /** `changes` on every row of an input, as a tensor. */
  function changed(input: string, changes: readonly Change[]): tf.Tensor2D {
    const rows = golden.tensor(`in.${input}`).arraySync() as number[][];
    return tf.tensor2d(
      rows.map((row, picture) => {
        const scores = Float64Array.from(row);
        for (const change of changes) change(scores, { tokens: ids[picture]!, promptLength: 0, picture });
        return [...scores];
      }),
    );
  }

  const compared = new Set<string>();
  /** What may not come stays so exactly; the rest at the tolerance that the case states. */
  function compare(name: string, actual: tf.Tensor2D): void {
    compared.add(name);
    const expected = golden.tensor(name);
    expect(actual.shape).toEqual(expected.shape);
    const [ours, theirs] = [actual.dataSync(), expected.dataSync()];
    const barred = (values: ArrayLike<number>) => Array.from(values, (value) => value === -Infinity);
    expect(barred(ours), `${name}: what may not come`).toEqual(barred(theirs));
    const { atol, rtol } = golden.tolerance(name);
    expectClose(
      ours.filter((value) => value !== -Infinity),
      theirs.filter((value) => value !== -Infinity),
      atol,
      rtol,
    );
  }

  const entries: Entry[] = golden.result('processors');

  test.each(entries)('$name: $cls $params', (entry) => {
    const { name, cls, params, input, current_tokens: _, beam_group_idx: __, note: ___, ...others } = entry;
    expect(Object.keys(others), 'what is not understood').toEqual([]);
    const ours = classes[cls];
    if (!ours) throw new Error(`${cls} is not known.`);
    expect(
      Object.keys(params).filter((param) => !ours.takes.includes(param)),
      'parameters that are not known',
    ).toEqual([]);
    compare(name, changed(input, [ours.make(params, entry)]));
  });

  test('a chain of them', () => {
    const chain = chainOf(golden.golden.tensors['out.chain'].note);
    const scores = changed('scores', chain);
    compare('out.chain', scores);
    compare('out.chain_probs', tf.softmax(scores));
  });

  test('nothing was left out', () => {
    expect(golden.outputs('out.').filter((name) => !compared.has(name))).toEqual([]);
    expect(Object.keys(golden.golden.results)).toEqual(['processors']);
  });
});
