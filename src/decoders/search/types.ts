import type { Tree } from '../../core/tree';
import type { Decoder } from '../types';

/** One caption in the making or finished; `tokens` and `logProbs` go together and include the end token where it was reached. */
export type Hypothesis = {
  tokens: number[];
  /** Natural logarithms, one per token. */
  logProbs: number[];
  /** sum(logProbs) / tokens.length ** lengthPenalty, where the search has a length penalty; else the plain sum. */
  score: number;
  /** Whether the end token was reached. */
  finished: boolean;
  /** Attention weights per token, [tokens][positions], where the decoder gives them and they were asked for. */
  weights?: number[][];
};

export type SearchProblem = {
  /** Pictures in `memory`. */
  batch: number;
  startId: number;
  /** The token that ends a caption, or several of which any does; with none, captions run to `maxLength`. */
  endId: number | readonly number[];
  /** Most tokens to generate, the end token included. */
  maxLength: number;
  /** Tokens to generate before the end token may come. */
  minLength?: number;
  /** Ids that are never generated, such as padding and start. */
  suppress?: readonly number[];
  /** Keep attention weights in the hypotheses. */
  attention?: boolean;
  signal?: AbortSignal;
};

/** Finds captions for every picture of `memory`: for each a list, best first, never empty. */
export type Search = <State extends Tree, Memory extends Tree>(
  decoder: Decoder<State, Memory>,
  memory: Memory,
  problem: SearchProblem,
) => Promise<Hypothesis[][]>;
