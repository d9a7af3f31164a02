import { expectPositive, expectWhole, UsageError } from '../../core/errors';
import {
  allowedTokens,
  badWords,
  forcedAt,
  lengthDecay,
  minLength,
  minNewTokens,
  noRepeatNgram,
  type Processor,
  repetitionPenalty,
  type SequenceBias,
  sequenceBias,
  suppressAtBegin,
  suppressTokens,
} from './processors';
import type { SearchProblem } from './types';

/** What every strategy can be told about the captions that it may say. Tokens are ids: `tokenizer.encode('a dog')`. */
export type Constraints = {
  /** Most tokens to generate, the end token included, where less than what the caller asks for. */
  maxLength?: number;
  /** No end before prompt (or start token) and caption together have this many tokens. */
  minLength?: number;
  /** No end before this many generated tokens. */
  minNewTokens?: number;
  /** No sequence of this many tokens occurs twice. */
  noRepeatNgram?: number;
  /** Above 1: what was said, prompt included, becomes less likely; below 1: more likely. */
  repetitionPenalty?: number;
  /** Numbers to add to the last token of sequences, where the others have just been said. */
  sequenceBias?: SequenceBias;
  /** Sequences that never occur. */
  badWords?: readonly (readonly number[])[];
  /** Told the tokens generated so far and the index of the picture: which may come next. */
  allowed?: (prefix: readonly number[], picture: number) => Iterable<number>;
  /** The first token that is generated. */
  forcedFirst?: number;
  /** The token at `maxLength` (one of them, where several), such as the end token. */
  forcedLast?: number | readonly number[];
  /** From `start` generated tokens on, the end becomes likelier by a factor that grows with every token. */
  lengthDecay?: { start: number; factor: number };
  /** Tokens that never come. */
  suppress?: readonly number[];
  /** Tokens that do not come first. */
  beginSuppress?: readonly number[];
};

/** The processors of a search, in the order of transformers; `diversity` between the two lists is a diverse beam's own. */
export type Processors = { before: readonly Processor[]; after: readonly Processor[] };

/** @throws UsageError for a constraint out of its range */
export function checkConstraints(constraints: Constraints): void {
  const { maxLength, minLength: least, minNewTokens: leastNew, noRepeatNgram: ngram, repetitionPenalty } = constraints;
  if (maxLength !== undefined) expectWhole('maxLength', maxLength, 1);
  if (least !== undefined) expectWhole('minLength', least, 0);
  if (leastNew !== undefined) expectWhole('minNewTokens', leastNew, 0);
  if (ngram !== undefined) expectWhole('noRepeatNgram', ngram, 1);
  if (repetitionPenalty !== undefined) expectPositive('repetitionPenalty', repetitionPenalty);
  const { lengthDecay: decay, allowed } = constraints;
  if (decay !== undefined) {
    expectWhole('lengthDecay.start', decay.start, 0);
    expectPositive('lengthDecay.factor', decay.factor);
  }
  if (allowed !== undefined && typeof allowed !== 'function')
    throw new UsageError('allowed should be a function from the tokens so far to those that may come next.');
  expectSequences('badWords', constraints.badWords);
  for (const [sequence, bias] of constraints.sequenceBias ?? []) {
    expectSequences('sequenceBias', [sequence]);
    if (Number.isNaN(bias)) throw new UsageError('A bias of sequenceBias is not a number.');
  }
  const { forcedFirst, forcedLast, suppress, beginSuppress } = constraints;
  const single = { forcedFirst, forcedLast, suppress, beginSuppress };
  for (const [name, tokens] of Object.entries(single))
    for (const token of [tokens ?? []].flat()) expectToken(name, token);
}

/** @throws UsageError unless each is a list of ids that is not empty */
export function expectSequences(name: string, sequences: readonly (readonly number[])[] = []): void {
  for (const sequence of sequences) {
    if (!Array.isArray(sequence) || sequence.length === 0)
      throw new UsageError(`${name} should hold sequences of token ids, each a list such as [5, 12], none empty.`);
    for (const token of sequence) expectToken(name, token);
  }
}

function expectToken(name: string, token: number): void {
  if (Number.isInteger(token) && token >= 0) return;
  throw new UsageError(`${name} holds ${JSON.stringify(token)} but should hold token ids, such as those of encode().`);
}

/** The problem with the shorter of both maximal lengths. */
export function bounded(problem: SearchProblem, { maxLength = Infinity }: Constraints): SearchProblem {
  return maxLength < problem.maxLength ? { ...problem, maxLength } : problem;
}

export const endsOf = ({ endId }: SearchProblem): number[] => [...new Set(typeof endId === 'number' ? [endId] : endId)];

/**
 * What the problem and the constraints ask for, in the order of transformers: sequence bias, repetition, n-grams, bad words,
 * minimal lengths, allowed tokens, forced first and last, length decay, suppressed tokens.
 */
export function processorsOf(constraints: Constraints, problem: SearchProblem): Processors {
  const ends = endsOf(problem);
  const { sequenceBias: biases, repetitionPenalty: penalty, noRepeatNgram: ngram, badWords: bad } = constraints;
  const { minLength: least, minNewTokens: leastNew = 0, allowed, forcedFirst, forcedLast } = constraints;
  const { lengthDecay: decay, suppress = [], beginSuppress } = constraints;
  const leastGenerated = Math.max(leastNew, problem.minLength ?? 0);
  const suppressed = [...(problem.suppress ?? []), ...suppress];
  return {
    before: biases ? [sequenceBias(biases)] : [],
    after: [
      ...(penalty !== undefined ? [repetitionPenalty(penalty)] : []),
      ...(ngram !== undefined ? [noRepeatNgram(ngram)] : []),
      ...(bad ? [badWords(bad, ends)] : []),
      ...(least !== undefined ? [minLength(least, ends)] : []),
      ...(leastGenerated > 0 ? [minNewTokens(leastGenerated, ends)] : []),
      ...(allowed ? [allowedTokens(allowed)] : []),
      ...(forcedFirst !== undefined ? [first(forcedFirst)] : []),
      ...(forcedLast !== undefined ? [last([forcedLast].flat(), problem.maxLength)] : []),
      ...(decay ? [lengthDecay(decay.start, decay.factor, ends)] : []),
      ...(suppressed.length > 0 ? [suppressTokens(suppressed)] : []),
      ...(beginSuppress ? [beginning(beginSuppress, forcedFirst === undefined ? 0 : 1)] : []),
    ],
  };
}

// Places of processors count from the beginning of the prompt, which may differ from picture to picture.
const first =
  (token: number): Processor =>
  (context) =>
    forcedAt(context.promptLength, [token])(context);
const last =
  (tokens: readonly number[], maxLength: number): Processor =>
  (context) =>
    forcedAt(context.promptLength + maxLength - 1, tokens)(context);
const beginning =
  (tokens: readonly number[], forced: number): Processor =>
  (context) =>
    suppressAtBegin(tokens, context.promptLength + forced)(context);
