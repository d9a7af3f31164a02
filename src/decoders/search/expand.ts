import * as tf from '@tensorflow/tfjs';
import { DataError, expectWhole, UsageError } from '../../core/errors';
import { expectShape } from '../../core/shapes';
import { disposeTree, leaves, mapTree, type Tree } from '../../core/tree';
import type { Decoder } from '../types';
import type { Hypothesis, SearchProblem } from './types';

/** A hypothesis on its way; `sum` is that of `logProbs`, in double precision. */
export type Beam = { tokens: number[]; logProbs: number[]; sum: number; weights?: number[][] };

/** What may follow one live hypothesis, in no particular order; `logProbs` are natural logarithms. */
export type Continuations = { tokens: ArrayLike<number>; logProbs: ArrayLike<number>; weights?: number[] };

/** A hypothesis with one more token; `parent` is the index of the live one that it continues. */
export type Candidate = Beam & { parent: number };

/** Where one search stands: what is continued next (nothing when the search is over) and what was put aside. */
export type Progress = { live: readonly Beam[]; finished: readonly Hypothesis[] };

/** How a strategy goes on: given what may follow every live hypothesis, which of them live on and which are put aside. */
export type Rule = (
  progress: Progress,
  continuations: readonly Continuations[],
  step: {
    /** Tokens in every hypothesis after this step. */
    length: number;
    vocabSize: number;
    /** Which of the copies of a picture this is. */
    copy: number;
    isEnd: (token: number) => boolean;
    /** Whether nothing is generated after this. */
    last: boolean;
  },
) => { live: readonly Candidate[]; finished: readonly Hypothesis[] };

export type Strategy = {
  /** The logits are divided by this. */
  temperature: number;
  /** Likeliest continuations that `rule` needs of every hypothesis; `Infinity` for all. */
  width: number;
  /** Independent searches for every picture. */
  copies?: number;
  rule: Rule;
};

/**
 * The loop that all strategies share. Rows of the batch are the live hypotheses of all searches, one after the other;
 * searches that are over leave the batch. The device is asked once per step, for the likeliest continuations of every
 * row; ranking happens here, in double precision.
 *
 * Log-probabilities are those of softmax(logits / temperature) over the whole vocabulary. Tokens that may not come
 * (`suppress`, and the end before `minLength`) are passed over and the others are not renormalised, as in transformers.
 *
 * @returns for every copy of every picture in order (picture * copies + copy) where its search stopped
 * @throws UsageError for a problem that cannot be meant; `signal.reason` when aborted
 */
export async function expand<State extends Tree, Memory extends Tree>(
  decoder: Decoder<State, Memory>,
  memory: Memory,
  problem: SearchProblem,
  { temperature, width, copies = 1, rule }: Strategy,
): Promise<Progress[]> {
  checkProblem(problem, memory);
  const { batch, startId, endId, maxLength, minLength = 0, suppress = [], attention = false, signal } = problem;
  const ends = new Set(typeof endId === 'number' ? [endId] : endId);
  const isEnd = (token: number) => ends.has(token);

  const root: Beam = { tokens: [], logProbs: [], sum: 0, ...(attention && { weights: [] }) };
  const searches: Progress[] = Array.from({ length: batch * copies }, () => ({ live: [root], finished: [] }));
  const pictureOf = (search: number) => Math.floor(search / copies);

  // Everything held on the device across an await, so that one `finally` releases it.
  const held: { memory?: Memory; state?: State; next?: State; report?: tf.Tensor } = {};
  try {
    let pictures = searches.map((_, search) => pictureOf(search)); // the picture of every row
    held.memory = tf.tidy(() => takeRows(memory, pictures));
    held.state = tf.tidy(() => takeRows(decoder.initialState(memory), pictures));

    for (let length = 1; length <= maxLength; length++) {
      await checkAbort(signal);
      const barred = new Set([...suppress, ...(length <= minLength ? ends : [])]);
      const last = searches.flatMap(({ live }) => live.map(({ tokens }) => tokens.at(-1) ?? startId));
      const asked = tf.tidy(() => {
        const { logits, state, weights } = decoder.step(tf.tensor1d(last, 'int32'), held.state!, held.memory!);
        const hint = 'It is what the step of the decoder returned.';
        expectShape('logits', logits, { batch: last.length, vocabSize: -1 }, hint);
        const logProbs = tf.logSoftmax(temperature === 1 ? logits : tf.div<tf.Tensor2D>(logits, temperature));
        const columns = likeliest(logProbs, width + barred.size);
        if (attention && weights) columns.push(weights);
        // Cloned, because a decoder may hand back tensors of its memory or of the state before, which have other owners.
        const next = mapTree(state, (tensor) => tf.clone(tensor));
        return { next, report: tf.concat(columns, 1), vocabSize: logits.shape[1] };
      });
      Object.assign(held, { next: asked.next, report: asked.report });
      const rows = readRows(await asked.report.data<'float32'>(), last.length, asked.vocabSize, width + barred.size);
      asked.report.dispose();

      const parents: number[] = []; // the row before this step of every row after it
      const survivors: number[] = []; // its picture
      let row = 0;
      searches.forEach(({ live, finished }, search) => {
        if (live.length === 0) return;
        const continuations = rows.slice(row, row + live.length).map((each) => allowed(each, barred));
        const step = { length, vocabSize: asked.vocabSize, copy: search % copies, isEnd, last: length === maxLength };
        const after = rule({ live, finished }, continuations, step);
        for (const { parent } of after.live) {
          parents.push(row + parent);
          survivors.push(pictureOf(search));
        }
        searches[search] = after;
        row += live.length;
      });

      if (parents.length === 0 || length === maxLength) break;

      disposeTree(held.state);
      held.state = tf.tidy(() => takeRows(asked.next, parents));
      disposeTree(asked.next);
      if (survivors.join() !== pictures.join()) {
        disposeTree(held.memory);
        held.memory = tf.tidy(() => takeRows(memory, survivors));
        pictures = survivors;
      }
    }
    return searches;
  } finally {
    disposeTree(held);
  }
}

/** The hypothesis that `beam` becomes with one more token. */
export function extend(beam: Beam, parent: number, token: number, logProb: number, weights?: number[]): Candidate {
  return {
    parent,
    tokens: [...beam.tokens, token],
    logProbs: [...beam.logProbs, logProb],
    sum: beam.sum + logProb,
    ...(beam.weights && weights && { weights: [...beam.weights, weights] }),
  };
}

/** What is handed out of a hypothesis. Where the decoder gave no attention weights, there are none. */
export function hypothesis({ tokens, logProbs, weights }: Beam, score: number, finished: boolean): Hypothesis {
  return { tokens, logProbs, score, finished, ...(weights && weights.length > 0 && { weights }) };
}

function checkProblem({ batch, maxLength, minLength = 0 }: SearchProblem, memory: Tree): void {
  expectWhole('batch', batch, 1);
  expectWhole('maxLength', maxLength, 1);
  expectWhole('minLength', minLength, 0);
  for (const [path, { shape }] of leaves(memory, 'memory'))
    if (shape[0] !== batch)
      throw new UsageError(`${path} has shape [${shape}] but its first size should be the batch, ${batch}.`);
}

/** Lets timers and signals of the process run, which a backend that answers at once would starve; then looks. */
async function checkAbort(signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return;
  await new Promise((resolve) => setTimeout(resolve, 0));
  signal.throwIfAborted();
}

const takeRows = <T extends Tree>(tree: T, rows: number[]): T => {
  const indices = tf.tensor1d(rows, 'int32');
  return mapTree(tree, (tensor) => tf.gather(tensor, indices));
};

/** Log-probabilities of the likeliest tokens and their ids, side by side; of all tokens in order where all are wanted. */
function likeliest(logProbs: tf.Tensor2D, width: number): tf.Tensor2D[] {
  if (width >= logProbs.shape[1]) return [logProbs];
  const { values, indices } = tf.topk(logProbs, width);
  return [values, tf.cast(indices, 'float32')]; // ids are exact in float32 up to 2^24
}

/** Takes apart what was read: per row the columns of `likeliest`, then attention weights if any. */
function readRows(numbers: Float32Array, count: number, vocabSize: number, width: number): Continuations[] {
  const all = width >= vocabSize;
  const found = all ? vocabSize : width;
  const columns = numbers.length / count;
  return Array.from({ length: count }, (_, row) => {
    const values = numbers.subarray(row * columns, (row + 1) * columns);
    const logProbs = values.subarray(0, found);
    if (Number.isNaN(logProbs[0]))
      throw new DataError(
        'The decoder gave logits that are not numbers. Its weights are damaged or its training went astray.',
      );
    const rest = values.subarray(all ? found : 2 * found);
    return {
      tokens: all ? Array.from(logProbs, (_, token) => token) : values.subarray(found, 2 * found),
      logProbs,
      ...(rest.length > 0 && { weights: Array.from(rest) }),
    };
  });
}

/** Without the tokens that may not come or have no probability at all. */
function allowed(continuations: Continuations, barred: ReadonlySet<number>): Continuations {
  const { tokens, logProbs } = continuations;
  const kept: number[] = [];
  for (let place = 0; place < tokens.length; place++)
    if (logProbs[place]! > -Infinity && !barred.has(tokens[place]!)) kept.push(place);
  if (kept.length === 0)
    throw new UsageError('suppress and minLength leave no token that could be generated. Suppress fewer.');
  if (kept.length === tokens.length) return continuations;
  return {
    ...continuations,
    tokens: kept.map((place) => tokens[place]!),
    logProbs: kept.map((place) => logProbs[place]!),
  };
}
