/** Where a hypothesis stands: all tokens so far, those of the prompt included, how many those are, and its picture. */
export type Context = { readonly tokens: readonly number[]; readonly promptLength: number; readonly picture: number };

/**
 * What a processor does to the scores of the next token. `bar`: these cannot come. `change`: new scores from the old, by
 * token. `only`: nothing else can come; with `score`, that is what they get. `all`: changes scores of the whole vocabulary.
 */
export type Effect =
  | { readonly bar: Iterable<number> }
  | { readonly change: ReadonlyMap<number, (score: number) => number> }
  | { readonly only: Iterable<number>; readonly score?: number }
  | { readonly all: (scores: Float64Array) => void };

/**
 * A rule on what may come next, from where a hypothesis stands alone. It names the tokens whose scores it changes, so that
 * a search reads those and the few best others from the device, not the whole vocabulary. Nothing where it does nothing.
 *
 * All are as in transformers' logits processors of the same names, which work on log-probabilities in beam search and on
 * logits in greedy search and sampling.
 *
 * @see https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/generation/logits_process.py
 */
export type Processor = (context: Context) => Effect | undefined;

const bar = (tokens: Iterable<number>): Effect => ({ bar: tokens });

/** These tokens never come. */
export const suppressTokens =
  (tokens: readonly number[]): Processor =>
  () =>
    bar(tokens);

/** These do not come as the first token, at the place `begin` of prompt and caption. */
export const suppressAtBegin =
  (tokens: readonly number[], begin: number): Processor =>
  ({ tokens: { length } }) =>
    length === begin ? bar(tokens) : undefined;

/** No end before prompt and caption have `minLength` tokens. */
export const minLength =
  (length: number, ends: readonly number[]): Processor =>
  ({ tokens }) =>
    tokens.length < length ? bar(ends) : undefined;

/** No end before the caption has `count` tokens. */
export const minNewTokens =
  (count: number, ends: readonly number[]): Processor =>
  ({ tokens, promptLength }) =>
    tokens.length - promptLength < count ? bar(ends) : undefined;

/** No sequence of `size` tokens occurs twice. */
export const noRepeatNgram =
  (size: number): Processor =>
  ({ tokens }) =>
    bar(continuationsIn(tokens, tokens, size));

/** No sequence of `size` tokens of a source text occurs. */
export const sourceNoRepeatNgram =
  (size: number, sourceOf: (picture: number) => readonly number[]): Processor =>
  ({ tokens, picture }) =>
    bar(continuationsIn(sourceOf(picture), tokens, size));

/** What follows in `text` on the last `size - 1` tokens of `tokens`. */
function continuationsIn(text: readonly number[], tokens: readonly number[], size: number): Set<number> {
  const found = new Set<number>();
  if (tokens.length + 1 < size) return found;
  const start = tokens.length - (size - 1);
  for (let at = 0; at + size <= text.length; at++) {
    let same = true;
    for (let i = 0; same && i < size - 1; i++) same = text[at + i] === tokens[start + i];
    if (same) found.add(text[at + size - 1]!);
  }
  return found;
}

/**
 * Makes what was said less likely (`penalty` above 1) or more likely (below): positive scores are divided by it, negative
 * ones multiplied.
 *
 * @param passOver - tokens at the beginning that do not count
 * @see Keskar et al. 2019, https://arxiv.org/abs/1909.05858, section 4.1
 */
export const repetitionPenalty =
  (penalty: number, passOver = 0): Processor =>
  ({ tokens }) =>
    penalise(tokens.slice(passOver), penalty);

/** Makes the tokens of a source text more likely (`penalty` above 1). */
export const sourceRepetitionPenalty =
  (penalty: number, sourceOf: (picture: number) => readonly number[]): Processor =>
  ({ picture }) =>
    penalise(sourceOf(picture), 1 / penalty);

function penalise(tokens: readonly number[], penalty: number): Effect {
  const weaken = (score: number) => (score < 0 ? score * penalty : score / penalty);
  return { change: new Map(tokens.map((token) => [token, weaken])) };
}

/** Adds a number to the last token of a sequence wherever the others have just been said. */
export type SequenceBias = readonly (readonly [sequence: readonly number[], bias: number])[];

/**
 * Adds every bias whose sequence would be completed. As in transformers, a sequence is passed over while it is longer than
 * prompt and caption, so that its beginning may not be the whole of them.
 */
export const sequenceBias =
  (biases: SequenceBias): Processor =>
  ({ tokens }) => {
    const sums = new Map<number, number>();
    for (const [token, bias] of completed(biases, tokens)) sums.set(token, (sums.get(token) ?? 0) + bias);
    return { change: new Map([...sums].map(([token, bias]) => [token, (score: number) => score + bias])) };
  };

/** These sequences never occur. An end token by itself is passed over, as in transformers. */
export const badWords = (sequences: readonly (readonly number[])[], ends: readonly number[]): Processor => {
  const biases = sequences
    .filter((sequence) => sequence.length > 1 || !ends.includes(sequence[0]!))
    .map((sequence) => [sequence, -Infinity] as const);
  return ({ tokens }) => bar(completed(biases, tokens).map(([token]) => token));
};

/** The last tokens of sequences whose beginnings have just been said. */
function completed(biases: SequenceBias, tokens: readonly number[]): [token: number, bias: number][] {
  return biases
    .filter(([sequence]) => {
      const before = sequence.length - 1;
      if (before > 0 && sequence.length > tokens.length) return false;
      return sequence.slice(0, before).every((token, i) => token === tokens[tokens.length - before + i]);
    })
    .map(([sequence, bias]) => [sequence.at(-1)!, bias]);
}

/** Prompt and caption of `length` tokens are followed by one of these. */
export const forcedAt =
  (length: number, tokens: readonly number[]): Processor =>
  (context) =>
    context.tokens.length === length ? { only: tokens, score: 0 } : undefined;

/** Only these may come; `allowed` is told the caption so far, without the prompt, and the picture. */
export const allowedTokens =
  (allowed: (prefix: readonly number[], picture: number) => Iterable<number>): Processor =>
  ({ tokens, promptLength, picture }) => ({ only: allowed(tokens.slice(promptLength), picture) });

/** From `start` tokens of caption on, the end gets likelier by a factor that grows with every token. */
export const lengthDecay =
  (start: number, factor: number, ends: readonly number[]): Processor =>
  ({ tokens, promptLength }) => {
    const beyond = tokens.length - promptLength - start;
    if (beyond <= 0) return undefined;
    const raise = (score: number) => score + Math.abs(score) * (factor ** beyond - 1);
    return { change: new Map(ends.map((end) => [end, raise])) };
  };

/**
 * Makes less likely what the other groups of a diverse beam have chosen for this place.
 *
 * @param chosen - how many hypotheses chose each token
 * @see Vijayakumar et al. 2018, https://arxiv.org/abs/1610.02424, with the Hamming distance
 */
export const hammingDiversity = (penalty: number, chosen: ReadonlyMap<number, number>): Effect => ({
  change: new Map([...chosen].map(([token, count]) => [token, (score: number) => score - penalty * count])),
});

/** Scores become log-probabilities that sum to one again. */
export const renormalise: Processor = () => ({
  all: (scores) => {
    let top = -Infinity;
    for (const score of scores) if (score > top) top = score;
    let total = 0;
    for (const score of scores) total += Math.exp(score - top);
    const norm = top + Math.log(total);
    for (let i = 0; i < scores.length; i++) scores[i]! -= norm;
  },
});

/** The largest finite float32. */
const LARGEST = 2 ** 127 * (2 - 2 ** -23);

/** What is no number becomes 0, and what is infinite the largest or the smallest number. */
export const finiteScores: Processor = () => ({
  all: (scores) => {
    for (let i = 0; i < scores.length; i++)
      scores[i] = Number.isNaN(scores[i]) ? 0 : Math.max(-LARGEST, Math.min(LARGEST, scores[i]!));
  },
});
