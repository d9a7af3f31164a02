import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { describe, expect, test } from 'vitest';
import { type BeamOptions, beam } from '../../../src/decoders/search/beam';
import { greedy } from '../../../src/decoders/search/greedy';
import type { Decoder } from '../../../src/decoders/types';
import { float32Values, readSafetensors } from '../../../src/io/safetensors';
import { expectClose, expectNoLeak } from '../../helpers';

type Config = {
  num_beams: number;
  max_new_tokens: number;
  num_return_sequences?: number;
  length_penalty?: number;
  early_stopping?: boolean | 'never';
  eos_token_id?: number | number[] | null;
  min_length?: number;
  min_new_tokens?: number;
  suppress_tokens?: number[];
  /** Ignored by transformers where nothing is sampled, unlike ours. */
  temperature?: number;
};
type Case = { config: Config; sequences: number[][]; sequences_scores?: number[]; n_steps: number };
type Golden = {
  results: { generate: Case[]; [other: string]: unknown };
  setup: { prompts: number[][]; eos_token_id: number; vocab_size: number };
};

const understood = new Set([
  ...['num_beams', 'max_new_tokens', 'num_return_sequences', 'length_penalty', 'early_stopping', 'eos_token_id'],
  ...['min_length', 'min_new_tokens', 'suppress_tokens', 'temperature'],
]);
/** Settings of transformers' generate() that these searches do not have; anything else unknown fails. */
const outOfScope = new Set([
  ...['no_repeat_ngram_size', 'repetition_penalty', 'bad_words_ids', 'forced_eos_token_id', 'begin_suppress_tokens'],
  ...['exponential_decay_length_penalty', 'renormalize_logits', 'sequence_bias'],
]);
/** Other searches in the same file: the rule of older versions, and diverse beam search. */
const otherResults = ['legacy_4_48_differs', 'group_beam_search'];

type Memory = { bias: tf.Tensor2D; last: tf.Tensor1D };

/** logits(sequence) = table[(length - 1) % T, last, :] + prompt_bias[first, :], as the golden's language model. */
function tableDecoder(table: tf.Tensor3D, promptLength: number): Decoder<{ length: tf.Tensor1D }, Memory> {
  const [period, vocabSize] = table.shape;
  return {
    initialState: ({ last }) => ({ length: tf.fill(last.shape, promptLength, 'int32') as tf.Tensor1D }),
    step(tokens, { length }, { bias, last }) {
      const read = length.arraySync();
      const ids = read[0] === promptLength ? last.arraySync() : tokens.arraySync(); // the prompt stands for the start token
      const rows = ids.map((id, row) => ((read[row]! - 1) % period) * vocabSize + id);
      const logits = tf.gather(tf.reshape(table, [-1, vocabSize]), tf.tensor1d(rows, 'int32'));
      return { logits: tf.add(logits, bias), state: { length: tf.add(length, tf.scalar(1, 'int32')) } };
    },
  };
}

const committed = join(import.meta.dirname, '../../goldens/models/beam_table');
const models = process.env.GOLDEN_MODELS ?? join(import.meta.dirname, '../../../../shared/goldens/models');

describe.each([committed, join(models, 'beam_table')])('as transformers generates: %s', (folder) => {
  if (!existsSync(folder)) return test.skip('this folder is not there', () => {});
  const golden: Golden = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8'));
  const { prompts, vocab_size: vocabSize, eos_token_id: defaultEnd } = golden.setup;
  const promptLength = prompts[0]!.length;
  const { tensors } = readSafetensors(new Uint8Array(readFileSync(join(folder, 'golden.safetensors'))));
  const tensor = (name: string) => tf.tensor(float32Values(tensors.get(name)!), [...tensors.get(name)!.shape]);

  const unsupported = ({ config }: Case) => Object.keys(config).some((name) => outOfScope.has(name));
  const covered = golden.results.generate.filter((each) => !unsupported(each));

  test('every setting is known', () => {
    expect(Object.keys(golden.results).sort()).toEqual(['generate', ...otherResults].sort());
    const settings = new Set(golden.results.generate.flatMap(({ config }) => Object.keys(config)));
    expect([...settings].filter((name) => !understood.has(name) && !outOfScope.has(name))).toEqual([]);
  });

  test.skip(`${golden.results.generate.length - covered.length} configurations are out of scope (${[...outOfScope].join(', ')})`, () => {});

  test(`${covered.length} configurations: tokens, scores, number returned, number of steps`, async () => {
    expect(covered.length).toBeGreaterThan(100);
    const table = tensor('in.table') as tf.Tensor3D;
    const promptBias = tensor('in.prompt_bias');
    const decoder = tableDecoder(table, promptLength);
    const memory: Memory = {
      bias: tf.gather(
        promptBias,
        tf.tensor1d(
          prompts.map((prompt) => prompt[0]!),
          'int32',
        ),
      ) as tf.Tensor2D,
      last: tf.tensor1d(
        prompts.map((prompt) => prompt.at(-1)!),
        'int32',
      ),
    };
    for (const { config, sequences, sequences_scores: scores, n_steps: expectedSteps } of covered) {
      const ends = [config.eos_token_id === undefined ? defaultEnd : (config.eos_token_id ?? [])].flat();
      const problem = {
        batch: prompts.length,
        startId: 0,
        endId: ends,
        maxLength: config.max_new_tokens,
        minLength: Math.max(config.min_new_tokens ?? 0, (config.min_length ?? 0) - promptLength, 0),
        suppress: config.suppress_tokens ?? [],
      };
      let steps = 0;
      const counted: typeof decoder = {
        ...decoder,
        step: (...args) => {
          steps++;
          return decoder.step(...args);
        },
      };
      const search = config.num_beams === 1 ? greedy() : beam(beamOptions(config));
      const found = await expectNoLeak(() => search(counted, memory, problem));

      const returned = config.num_return_sequences ?? 1;
      const what = JSON.stringify(config);
      found.forEach((hypotheses, picture) => {
        const expected = sequences.slice(picture * returned, (picture + 1) * returned);
        const kept = hypotheses.slice(0, returned);
        const words = expected.map((sequence) => untilEnd(sequence.slice(promptLength), ends));
        expect(
          kept.map(({ tokens }) => tokens),
          what,
        ).toEqual(words);
        for (const { tokens, finished, logProbs } of kept) {
          expect(finished, what).toBe(ends.includes(tokens.at(-1)!));
          expect(logProbs.length, what).toBe(tokens.length);
        }
        if (scores)
          expectClose(
            kept.map(({ score }) => score),
            scores.slice(picture * returned, (picture + 1) * returned),
            1e-5,
          );
      });
      expect(found.length * returned).toBe(sequences.length);
      expect(steps, what).toBe(expectedSteps);
    }
    expect(vocabSize).toBe(table.shape[1]);
    tf.dispose([table, promptBias, memory]);
  });
});

const beamOptions = ({ num_beams, length_penalty, early_stopping }: Config): BeamOptions => ({
  beamSize: num_beams,
  ...(length_penalty !== undefined && { lengthPenalty: length_penalty }),
  ...(early_stopping !== undefined && { earlyStopping: early_stopping }),
});

/** Without what transformers fills up with after the end. */
function untilEnd(tokens: number[], ends: readonly number[]): number[] {
  const end = tokens.findIndex((token) => ends.includes(token));
  return end < 0 ? tokens : tokens.slice(0, end + 1);
}
