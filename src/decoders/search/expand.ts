import * as tf from '@tensorflow/tfjs';
import { expectWhole, UsageError } from '../../core/errors';
import { expectShape } from '../../core/shapes';
import { takeRows } from '../../core/takeRows';
import { disposeTree, leaves, mapTree, type Tree } from '../../core/tree';
import type { Decoder } from '../types';
import { endsOf } from './constraints';
import { type Continuations, continuationsOf, processingOf, questionOf, type Scoring } from './continuations';
import { layOut } from './layout';
import type { Context, Effect } from './processors';
import { readReport, report } from './report';
import type { Hypothesis, SearchProblem, Spoken } from './types';

/** A hypothesis on its way; `sum` is that of the scores that the search ranks by, in double precision. */
export type Beam = Pick<Hypothesis, 'tokens' | 'logProbs' | 'weights' | 'alternatives' | 'group'> & {
  parents: number[];
  sum: number;
};

/** A hypothesis with one more token; `parent` is the index of the live one that it continues. */
export type Candidate = Beam & { parent: number };

/** Where one search stands: what is continued next (nothing when the search is over) and what was put aside. */
export type Progress = { live: readonly Beam[]; finished: readonly Hypothesis[] };

export type RuleStep = {
  /** Tokens in every hypothesis after this step. */
  length: number;
  vocabSize: number;
  /** Which of the copies of a picture this is. */
  copy: number;
  isEnd: (token: number) => boolean;
  /** Whether nothing is generated after this. */
  last: boolean;
};

/**
 * How a strategy goes on: which of the continuations of the live hypotheses live on and which are put aside. `next` gives
 * what may follow a live hypothesis, by its index; an effect given with it comes at its place among the processors.
 */
export type Rule = (
  progress: Progress,
  next: (index: number, diversity?: Effect) => Continuations,
  step: RuleStep,
) => { live: readonly Candidate[]; finished: readonly Hypothesis[] };

export type Strategy = Omit<Scoring, 'wordAlternatives'> & {
  /** Independent searches for every picture. */
  copies?: number;
  /** Hypotheses that every search begins with, told apart by `group`. */
  groups?: number;
  /** Whether a token is settled as soon as it is chosen. */
  settled?: boolean;
  rule: Rule;
};

/**
 * The loop that all strategies but contrastive search share. Rows of the batch are the live hypotheses of all searches, as
 * many for every picture as the one with most has; pictures whose searches are over leave the batch. The device is asked
 * once per step, for the likeliest continuations of every row and for those whose scores processors change; processing and
 * ranking happen here, in double precision.
 *
 * Log-probabilities are those of softmax(logits / temperature) over the whole vocabulary. Tokens that may not come are
 * passed over and the others are not renormalised, as in transformers.
 *
 * @returns for every copy of every picture in order (picture * copies + copy) where its search stopped
 * @throws UsageError for a problem that cannot be meant; `signal.reason` when aborted
 */
export async function expand<State extends Tree, Memory extends Tree>(
  decoder: Decoder<State, Memory>,
  memory: Memory,
  problem: SearchProblem,
  strategy: Strategy,
): Promise<Progress[]> {
  checkProblem(problem, memory);
  const { temperature, copies = 1, groups = 1, settled = false, rule } = strategy;
  const { batch, startId, maxLength, attention = false, wordAlternatives = 0, signal, onToken } = problem;
  if (onToken && !settled)
    throw new UsageError(
      'This search settles words at its end. greedy() and sample() say them one by one, and so does contrastive().',
    );
  const scoring = { ...strategy, wordAlternatives };
  const prompts = problem.prompts ?? Array<number[]>(batch).fill([startId]);
  const ends = new Set(endsOf(problem));
  const isEnd = (token: number) => ends.has(token);

  const root: Beam = {
    ...{ tokens: [], logProbs: [], parents: [], sum: 0 },
    ...(attention && { weights: [] }),
    ...(wordAlternatives > 0 && { alternatives: [] }),
  };
  const roots = groups === 1 ? [root] : Array.from({ length: groups }, (_, group) => ({ ...root, group }));
  const searches: Progress[] = Array.from({ length: batch * copies }, () => ({ live: roots, finished: [] }));

  // Everything held on the device across an await, so that one `finally` releases it.
  const held: { memory?: Memory; state?: State; next?: State; report?: tf.Tensor } = {};
  try {
    let layout = layOut(searches, copies);
    held.state = tf.tidy(() => {
      const state = decoder.initialState(memory);
      return reordered(
        state,
        layout.pictures.flatMap((picture) => Array<number>(layout.perPicture).fill(picture)),
      );
    });

    for (let length = 1; length <= maxLength; length++) {
      await checkAbort(signal);
      const contexts = layout.rows.map(({ search, index }): Context => {
        const picture = Math.floor(search / copies);
        const prompt = prompts[picture]!;
        return {
          tokens: [...prompt, ...searches[search]!.live[index]!.tokens],
          promptLength: prompt.length,
          picture,
        };
      });
      const processing = contexts.map((context) => processingOf(context, scoring));
      const question = questionOf(processing, scoring);
      const asked = tf.tidy(() => {
        const last = tf.tensor1d(
          contexts.map(({ tokens }) => tokens.at(-1)!),
          'int32',
        );
        const { logits, state, weights } = decoder.step(last, held.state!, held.memory ?? memory);
        const hint = 'It is what the step of the decoder returned.';
        expectShape('logits', logits, { rows: contexts.length, vocabSize: -1 }, hint);
        const tempered = temperature === 1 ? logits : tf.div<tf.Tensor2D>(logits, temperature);
        const answer = report(tempered, question, attention && weights ? [weights] : []);
        // Cloned, because a decoder may hand back tensors of its memory or of the state before, which have other owners.
        const next = mapTree(state, (tensor) => tf.clone(tensor));
        return { next, report: answer, vocabSize: logits.shape[1] };
      });
      Object.assign(held, { next: asked.next, report: asked.report });
      const known = readReport(await asked.report.data<'float32'>(), contexts.length, asked.vocabSize, question);
      asked.report.dispose();

      const before = layout;
      for (const [search, progress] of searches.entries()) {
        if (progress.live.length === 0) continue;
        const next = (index: number, diversity?: Effect): Continuations => {
          const row = before.rowOf(search, index);
          return continuationsOf(known[row]!, processing[row]!, scoring, diversity);
        };
        const step = { length, vocabSize: asked.vocabSize, copy: search % copies, isEnd, last: length === maxLength };
        const after = rule(progress, next, step);
        if (after.live.length === 0 && after.finished.length === 0) throw nothingLeft();
        if (onToken) await onToken(spoken(Math.floor(search / copies), after));
        searches[search] = after;
      }

      layout = layOut(searches, copies);
      if (layout.rows.length === 0 || length === maxLength) break;

      const parents = layout.rows.map(({ search, index }) => {
        const { parent } = searches[search]!.live[index] as Candidate;
        return before.rowOf(search, parent);
      });
      disposeTree(held.state);
      held.state = tf.tidy(() => reordered(asked.next, parents));
      disposeTree(asked.next);
      if (layout.pictures.join() !== before.pictures.join()) {
        disposeTree(held.memory);
        const { pictures } = layout;
        held.memory = tf.tidy(() => reordered(memory, pictures));
      }
    }
    return searches;
  } finally {
    disposeTree(held);
  }
}

/** The hypothesis that `beam` becomes with the continuation at this place. */
export function extend(beam: Beam, parent: number, continuations: Continuations, place: number): Candidate {
  const { tokens, scores, logProbs, weights, alternatives } = continuations;
  return {
    ...beam,
    parent,
    tokens: [...beam.tokens, tokens[place]!],
    logProbs: [...beam.logProbs, logProbs[place]!],
    parents: [...beam.parents, parent],
    sum: beam.sum + scores[place]!,
    ...(beam.weights && weights && { weights: [...beam.weights, weights] }),
    ...(beam.alternatives && alternatives && { alternatives: [...beam.alternatives, alternatives] }),
  };
}

/** What is handed out of a hypothesis. Where the decoder gave no attention weights, there are none. */
export function hypothesis(beam: Beam, score: number, finished: boolean): Hypothesis {
  const { tokens, logProbs, parents, weights, alternatives, group } = beam;
  return {
    ...{ tokens, logProbs, parents, score, finished },
    ...(weights && weights.length > 0 && { weights }),
    ...(alternatives && { alternatives }),
    ...(group !== undefined && { group }),
  };
}

function spoken(picture: number, { live, finished }: ReturnType<Rule>): Spoken {
  const [said] = live.length > 0 ? live : finished;
  const weights = said!.weights?.at(-1);
  return {
    picture,
    token: said!.tokens.at(-1)!,
    logProb: said!.logProbs.at(-1)!,
    finished: live.length === 0 && finished[0]!.finished,
    ...(weights && { weights }),
  };
}

export const nothingLeft = () =>
  new UsageError('suppress, minLength and the other constraints leave no token that could be generated. Loosen them.');

export function checkProblem(problem: SearchProblem, memory: Tree): void {
  const { batch, maxLength, minLength = 0, wordAlternatives = 0, prompts } = problem;
  expectWhole('batch', batch, 1);
  expectWhole('maxLength', maxLength, 1);
  expectWhole('minLength', minLength, 0);
  expectWhole('wordAlternatives', wordAlternatives, 0);
  if (prompts && (prompts.length !== batch || prompts.some(({ length }) => length === 0)))
    throw new UsageError(
      `prompts should hold one list of tokens for each of the ${batch} pictures, the start token at least.`,
    );
  for (const [path, { shape }] of leaves(memory, 'memory'))
    if (shape[0] !== batch)
      throw new UsageError(`${path} has shape [${shape}] but its first size should be the batch, ${batch}.`);
}

/** Lets timers and signals of the process run, which a backend that answers at once would starve; then looks. */
export async function checkAbort(signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return;
  await new Promise((resolve) => setTimeout(resolve, 0));
  signal.throwIfAborted();
}

/** Copies of these rows of every tensor; where the rows are all of them in order, nothing is moved. */
export function reordered<T extends Tree>(tree: T, rows: readonly number[]): T {
  const inOrder = rows.every((row, i) => row === i);
  const indices = tf.tensor1d([...rows], 'int32');
  return mapTree(tree, (tensor) =>
    inOrder && tensor.shape[0] === rows.length ? tf.clone(tensor) : takeRows(tensor, indices),
  );
}
