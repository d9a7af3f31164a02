import * as tf from '@tensorflow/tfjs';
import { expect } from 'vitest';
import type { Tree } from '../../src/core/tree';
import type { PretrainedTokenizer } from '../../src/data/pretrainedTokenizer';
import type { Hypothesis } from '../../src/decoders/search/types';
import type { Decoder } from '../../src/decoders/types';
import { searchFromGenerationConfig } from '../../src/models/generationConfig';
import type { GoldenCase } from '../goldenCase';
import { expectClose } from '../helpers';

/** One entry of a case's `generate` results: what transformers makes of these settings. */
type Entry = {
  config: Record<string, unknown>;
  sequences: number[][];
  sequences_scores?: number[];
  beam_indices?: number[][];
  text?: string[];
};

export type GeneratedBy = {
  // biome-ignore lint/suspicious/noExplicitAny: of any model
  decoder: Decoder<any, any>;
  memory: Tree;
  /** All that stands before what is generated, per picture. */
  prompts: number[][];
  /** What the case's configuration files say; entries of the results go over it. */
  defaults: Record<string, unknown>;
  tokenizer?: PretrainedTokenizer | undefined;
};

/** Scores are sums of a dozen float32 log-probabilities. */
const SCORES = 2e-4;

/** Compares a whole result of `generate`: ids, fill, scores, parents, text. */
export async function expectGenerated(entry: Entry, { decoder, memory, prompts, defaults, tokenizer }: GeneratedBy) {
  const settings = { ...defaults, ...entry.config };
  const { search, maxLength, endId, padId, wanted } = searchFromGenerationConfig(settings, prompts[0]!.length);
  const problem = { batch: prompts.length, startId: prompts[0]![0]!, endId, maxLength, prompts };
  const found = await search(decoder, memory, padId === undefined ? problem : { ...problem, padId });
  const beams = (entry.config.num_beams as number | undefined) ?? 1;
  // Beam search takes a padding id of 0 for none and fills with the end.
  const fill = beams > 1 && padId === 0 ? endId[0]! : padId!;

  const chosen = found.flatMap((hypotheses, picture) => hypotheses.slice(0, wanted).map((each) => ({ each, picture })));
  const width = Math.max(...chosen.map(({ each, picture }) => prompts[picture]!.length + each.tokens.length));
  const padded = (values: readonly number[], length: number, value: number) => [
    ...values,
    ...new Array<number>(length - values.length).fill(value),
  ];
  const sequences = chosen.map(({ each, picture }) => padded([...prompts[picture]!, ...each.tokens], width, fill));
  expect(sequences, JSON.stringify(entry.config)).toEqual(entry.sequences);
  if (entry.sequences_scores)
    expectClose(
      chosen.map(({ each }) => each.score),
      entry.sequences_scores,
      SCORES,
      SCORES,
    );
  if (entry.beam_indices) {
    const rows = ({ parents }: Hypothesis, picture: number) => parents!.map((parent) => picture * beams + parent);
    const length = width - prompts[0]!.length;
    expect(chosen.map(({ each, picture }) => padded(rows(each, picture), length, -1))).toEqual(entry.beam_indices);
  }
  if (entry.text && tokenizer) expect(sequences.map((ids) => tokenizer.decode(ids))).toEqual(entry.text);
}

/** Compares the raw logits of the first steps along the tokens that greedy search chose. */
export function compareStepLogits(
  golden: GoldenCase,
  name: string,
  greedy: Entry,
  { decoder, memory, prompts }: Pick<GeneratedBy, 'decoder' | 'memory' | 'prompts'>,
): void {
  tf.tidy(() => {
    const steps = golden.tensor(name).shape[1]!;
    let state = decoder.initialState(memory);
    const logits: tf.Tensor[] = [];
    for (let step = 0; step < steps; step++) {
      const place = prompts[0]!.length - 1 + step;
      const tokens = greedy.sequences.map((sequence) => sequence[place]!);
      const next = decoder.step(tf.tensor1d(tokens, 'int32'), state, memory);
      state = next.state;
      logits.push(next.logits);
    }
    golden.compare(name, tf.stack(logits, 1));
  });
}
