import type { Tree } from '../../core/tree';
import type { Decoder } from '../types';

/** A token that might have come in a place, and its natural log-probability there. */
export type TokenChance = { token: number; logProb: number };

/** One caption in the making or finished; `tokens` and `logProbs` go together and include the end token where it was reached. */
export type Hypothesis = {
  tokens: number[];
  /** Natural logarithms, one per token: what the model says, before constraints change it. */
  logProbs: number[];
  /**
   * What the search ranks by: the sum of log-probabilities, constraints included in a beam, divided by
   * tokens.length ** lengthPenalty where the search has a length penalty.
   */
  score: number;
  /** Whether the end token was reached. */
  finished: boolean;
  /** For every token, the place in the beam, or in its group of it, of the hypothesis that it continued. */
  parents?: number[];
  /** Attention weights per token, [tokens][positions], where the decoder gives them and they were asked for. */
  weights?: number[][];
  /** Per token the likeliest ones in its place, best first, where `wordAlternatives` asked for them. */
  alternatives?: TokenChance[][];
  /** Which group of a diverse beam it comes from. */
  group?: number;
};

/** One token as soon as it is chosen. */
export type Spoken = { picture: number; token: number; logProb: number; finished: boolean; weights?: number[] };

export type SearchProblem = {
  /** Pictures in `memory`. */
  batch: number;
  startId: number;
  /** The token that ends a caption, or several of which any does; with none, captions run to `maxLength`. */
  endId: number | readonly number[];
  /** What a group of a diverse beam that is done says, and later groups avoid. Without it such a group says nothing. */
  padId?: number;
  /**
   * For every picture all that stands before what is generated, start token included; `[startId]` without it. The state
   * that the decoder begins with has read all but the last.
   */
  prompts?: readonly (readonly number[])[];
  /** Most tokens to generate, the end token included. */
  maxLength: number;
  /** Tokens to generate before the end token may come. */
  minLength?: number;
  /** Ids that are never generated, such as padding and start. */
  suppress?: readonly number[];
  /** Keep attention weights in the hypotheses. */
  attention?: boolean;
  /** Keep this many of the likeliest tokens of every place. */
  wordAlternatives?: number;
  /** Called for every token in turn, and waited for; for searches that follow one hypothesis per picture. */
  onToken?: (spoken: Spoken) => void | Promise<void>;
  signal?: AbortSignal;
};

/** Finds captions for every picture of `memory`: for each a list, best first, never empty. */
export type Search = <State extends Tree, Memory extends Tree>(
  decoder: Decoder<State, Memory>,
  memory: Memory,
  problem: SearchProblem,
) => Promise<Hypothesis[][]>;
