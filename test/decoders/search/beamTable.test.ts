import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { type BeamOptions, beam } from '../../../src/decoders/search/beam';
import { greedy } from '../../../src/decoders/search/greedy';
import type { SequenceBias } from '../../../src/decoders/search/processors';
import type { Hypothesis, Search } from '../../../src/decoders/search/types';
import type { Decoder } from '../../../src/decoders/types';
import { GoldenCase, goldenFolders } from '../../goldenCase';
import { expectClose, expectNoLeak } from '../../helpers';

type Config = {
  num_beams: number;
  max_new_tokens: number;
  num_return_sequences?: number;
  num_beam_groups?: number;
  diversity_penalty?: number;
  length_penalty?: number;
  early_stopping?: boolean | 'never';
  eos_token_id?: number | number[] | null;
  min_length?: number;
  min_new_tokens?: number;
  suppress_tokens?: number[];
  begin_suppress_tokens?: number[];
  no_repeat_ngram_size?: number;
  repetition_penalty?: number;
  bad_words_ids?: number[][];
  sequence_bias?: SequenceBias;
  forced_bos_token_id?: number;
  forced_eos_token_id?: number | number[];
  exponential_decay_length_penalty?: [start: number, factor: number];
  renormalize_logits?: boolean;
  /** Ignored by transformers where nothing is sampled, unlike ours. */
  temperature?: number;
};
type Case = {
  config: Config;
  sequences: number[][];
  sequences_scores?: number[];
  beam_indices?: number[][];
  n_steps: number;
};
type Setup = { prompts: number[][]; eos_token_id: number; pad_token_id: number; vocab_size: number };

const understood = new Set([
  ...['num_beams', 'max_new_tokens', 'num_return_sequences', 'num_beam_groups', 'diversity_penalty', 'length_penalty'],
  ...['early_stopping', 'eos_token_id', 'min_length', 'min_new_tokens', 'suppress_tokens', 'begin_suppress_tokens'],
  ...['no_repeat_ngram_size', 'repetition_penalty', 'bad_words_ids', 'sequence_bias', 'forced_bos_token_id'],
  ...['forced_eos_token_id', 'exponential_decay_length_penalty', 'renormalize_logits', 'temperature'],
]);

type Memory = { bias: tf.Tensor2D };

/** logits(sequence) = table[(length - 1) % T, last, :] + prompt_bias[first, :], as the golden's language model. */
function tableDecoder(table: tf.Tensor3D, promptLength: number) {
  const [period, vocabSize] = table.shape;
  const flat = tf.reshape(table, [period * vocabSize, vocabSize]);
  let steps = 0;
  const decoder: Decoder<{ length: tf.Tensor1D }, Memory> = {
    initialState: ({ bias }) => ({ length: tf.fill([bias.shape[0]], promptLength, 'int32') as tf.Tensor1D }),
    step(tokens, { length }, { bias }) {
      steps++;
      const read = length.arraySync();
      const places = tokens.arraySync().map((id, row) => ((read[row]! - 1) % period) * vocabSize + id);
      const [pictures] = bias.shape;
      const perPicture = places.length / pictures;
      const logits = tf.reshape(tf.gather(flat, tf.tensor1d(places, 'int32')), [pictures, perPicture, vocabSize]);
      return {
        logits: tf.reshape(tf.add(logits, tf.expandDims(bias, 1)), [places.length, vocabSize]),
        state: { length: tf.add(length, tf.scalar(1, 'int32')) },
      };
    },
  };
  return { decoder, flat, steps: () => steps };
}

describe.each(goldenFolders('beam_table').map((folder) => new GoldenCase(folder)))('$folder', (golden) => {
  const setup: Setup = golden.golden.setup;
  const { prompts, pad_token_id: padId } = setup;
  const promptLength = prompts[0]!.length;
  const endsOf = ({ eos_token_id: given }: Config) =>
    [given === undefined ? setup.eos_token_id : (given ?? [])].flat() as number[];

  /** Runs one configuration; gives what was found and how often the model was called. */
  async function run(config: Config, search: Search) {
    const table = golden.tensor('in.table') as tf.Tensor3D;
    const promptBias = golden.tensor('in.prompt_bias');
    expect(setup.vocab_size).toBe(table.shape[1]);
    const { decoder, flat, steps } = tableDecoder(table, promptLength);
    const firsts = prompts.map(([first]) => first!);
    const bias = tf.tidy(() => tf.gather(promptBias, tf.tensor1d(firsts, 'int32'))) as tf.Tensor2D;
    const found = await expectNoLeak(() =>
      search(
        decoder,
        { bias },
        { batch: prompts.length, prompts, startId: -1, endId: endsOf(config), padId, maxLength: config.max_new_tokens },
      ),
    );
    tf.dispose([table, promptBias, flat, bias]);
    return { found, steps: steps() };
  }

  const returnedOf = (config: Config, found: Hypothesis[][]) =>
    found.flatMap((hypotheses) => hypotheses.slice(0, config.num_return_sequences ?? 1));

  /** As transformers prints it: behind the prompt, filled up to the longest. */
  const printed = (config: Config, found: Hypothesis[][], fill: number) => {
    const returned = returnedOf(config, found);
    const width = Math.max(...returned.map(({ tokens }) => tokens.length));
    const each = config.num_return_sequences ?? 1;
    return returned.map(({ tokens }, i) => [
      ...prompts[Math.floor(i / each)]!,
      ...tokens,
      ...Array<number>(width - tokens.length).fill(fill),
    ]);
  };

  /** Sequences, scores, where in the beam every token came from, and the number of steps. */
  async function compare(each: Case, fill: (config: Config) => number) {
    const { config, sequences, sequences_scores: scores, beam_indices: indices, n_steps: expectedSteps } = each;
    const what = JSON.stringify(config);
    const { found, steps } = await run(config, searchOf(config));
    expect(printed(config, found, fill(config)), what).toEqual(sequences);
    const returned = returnedOf(config, found);
    for (const { tokens, finished, logProbs } of returned) {
      expect(finished, what).toBe(endsOf(config).includes(tokens.at(-1)!));
      expect(logProbs.length, what).toBe(tokens.length);
    }
    if (scores) {
      const actual = returned.map(({ score }) => score);
      expectClose(actual, scores, 1e-5, 1e-5);
    } else expect(config.num_beams, what).toBe(1);
    if (indices) {
      const size = config.num_beams / (config.num_beam_groups ?? 1);
      for (const [i, { parents, group = 0, finished }] of returned.entries()) {
        const picture = Math.floor(i / (config.num_return_sequences ?? 1));
        // With groups the older version notes the history of another beam, but for what ended in the first group (it looks
        // up all groups by a place within the first) and, of what was cut, the first picture's.
        if (group > 0 || (config.num_beam_groups && !finished && picture > 0)) continue;
        const expected = indices[i]!.filter((index) => index >= 0);
        expect(
          parents!.map((parent) => picture * size + parent),
          what,
        ).toEqual(expected);
      }
    }
    expect(steps, what).toBe(expectedSteps);
  }

  /** The setting of ours for every setting of transformers. */
  function searchOf(config: Config, rule?: 'heap'): Search {
    const { suppress_tokens, begin_suppress_tokens, min_length, min_new_tokens, no_repeat_ngram_size } = config;
    const { repetition_penalty, bad_words_ids, sequence_bias, forced_bos_token_id, forced_eos_token_id } = config;
    const { exponential_decay_length_penalty: decay, num_beams: beamSize, num_beam_groups, diversity_penalty } = config;
    const constraints = given({
      suppress: suppress_tokens,
      beginSuppress: begin_suppress_tokens,
      // transformers forgets the one where the other is given.
      minLength: min_new_tokens === undefined ? min_length : undefined,
      minNewTokens: min_new_tokens,
      noRepeatNgram: no_repeat_ngram_size,
      repetitionPenalty: repetition_penalty,
      badWords: bad_words_ids,
      sequenceBias: sequence_bias,
      // transformers forces a first token only where it stands second in the whole sequence.
      forcedFirst: promptLength === 1 ? forced_bos_token_id : undefined,
      forcedLast: forced_eos_token_id,
      lengthDecay: decay && { start: decay[0], factor: decay[1] },
    });
    if (beamSize === 1) return greedy(constraints);
    const options = given({
      lengthPenalty: config.length_penalty,
      earlyStopping: config.early_stopping,
      renormalise: config.renormalize_logits,
      groups: num_beam_groups,
      diversityPenalty: diversity_penalty,
      rule,
    }) as Partial<BeamOptions>;
    return beam({ beamSize, ...options, ...constraints });
  }

  // Beam search takes a padding id of 0 for none and fills with the first end token; greedy search does not.
  const fillOf = (config: Config) => (config.num_beams > 1 && padId === 0 ? (endsOf(config)[0] ?? -1) : padId);

  test('every setting is known', () => {
    const { generate, group_beam_search: groups } = golden.golden.results;
    const settings = new Set([...generate, ...groups].flatMap(({ config }: Case) => Object.keys(config)));
    expect([...settings].filter((name) => !understood.has(name))).toEqual([]);
    expect(new Set([...generate, ...groups].flatMap((each: Case) => Object.keys(each)))).toEqual(
      new Set(['config', 'sequences', 'sequences_scores', 'beam_indices', 'n_steps']),
    );
  });

  test('as transformers generates: tokens, scores, beams and number of steps', async () => {
    const cases: Case[] = golden.result('generate');
    for (const each of cases) await compare(each, fillOf);
  });

  test('in groups, as the older version does', async () => {
    const cases: Case[] = golden.result('group_beam_search');
    for (const each of cases) await compare(each, () => padId);
  });

  test('by the older rule, where that differs', async () => {
    const cases: Case[] = golden.result('generate');
    const differing: { index: number; sequences: number[][] }[] = golden.result('legacy_4_48_differs');
    for (const { index, sequences, ...others } of differing) {
      expect(Object.keys(others)).toEqual([]);
      const { config } = cases[index]!;
      const { found } = await run(config, searchOf(config, 'heap'));
      // The older version wrote the first of several end tokens whichever was reached.
      const ends = endsOf(config);
      const first = (hypothesis: Hypothesis) => ({
        ...hypothesis,
        tokens: hypothesis.tokens.map((token) => (ends.includes(token) ? ends[0]! : token)),
      });
      const written = found.map((hypotheses) => hypotheses.map(first));
      expect(printed(config, written, padId), JSON.stringify(config)).toEqual(sequences);
    }
  });

  test('nothing was left out', () => golden.expectAllCompared());
});

/** Without what is undefined. */
function given<T extends object>(options: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as ReturnType<
    typeof given<T>
  >;
}
