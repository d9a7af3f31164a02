import * as tf from '@tensorflow/tfjs';
import { expectWhole, UsageError } from '../../core/errors';
import { disposeTree, mapTree, type Tree } from '../../core/tree';
import type { Decoder } from '../types';
import { bounded, type Constraints, checkConstraints, endsOf, processorsOf } from './constraints';
import { type Continuations, continuationsOf, processingOf, questionOf, type Scoring } from './continuations';
import { type Beam, checkAbort, checkProblem, extend, hypothesis, nothingLeft, reordered } from './expand';
import { expectOptions } from './options';
import type { Context } from './processors';
import { type Question, readReport, report } from './report';
import { largest } from './scores';
import type { Hypothesis, Search, SearchProblem } from './types';

export type ContrastiveOptions = Constraints & {
  /** Likeliest tokens that are compared at every step. Default 4. */
  topK?: number;
  /** What sameness costs, from 0 (greedy) to 1. Default 0.6. */
  penaltyAlpha?: number;
};

/**
 * Contrastive search: of the `topK` likeliest tokens the one with the largest (1 - penaltyAlpha) * probability -
 * penaltyAlpha * sameness, which is the largest cosine between what the model's last layer would read after this token and
 * what it has read before. One hypothesis per picture, scored by the plain sum of its log-probabilities.
 *
 * The decoder has to give `hidden` with its steps. Departures: of a prompt only the last token's is compared; probabilities
 * are not renormalised after constraints.
 *
 * @throws UsageError for an option out of its range, one of another strategy, or a decoder without `hidden`
 * @see Su et al. 2022, https://arxiv.org/abs/2202.06417, equation 5
 */
export function contrastive(options: ContrastiveOptions = {}): Search {
  expectOptions('contrastive', options);
  const { topK = 4, penaltyAlpha = 0.6, ...constraints } = options;
  expectWhole('topK', topK, 1);
  if (!(penaltyAlpha >= 0 && penaltyAlpha <= 1))
    throw new UsageError(`penaltyAlpha is ${penaltyAlpha} but should be from 0 to 1, such as 0.6.`);
  checkConstraints(constraints);
  return (decoder, memory, given) => {
    const problem = bounded(given, constraints);
    const { wordAlternatives = 0 } = problem;
    const processors = processorsOf(constraints, problem);
    const scoring: Scoring = { temperature: 1, width: topK, scores: 'logits', processors, wordAlternatives };
    return compare(decoder, memory, problem, scoring, penaltyAlpha);
  };
}

/** A caption on its way, and what may follow it, best first: equally many for every picture. */
type Path = { picture: number; beam: Beam; continuations: Continuations; places: number[] };

async function compare<State extends Tree, Memory extends Tree>(
  decoder: Decoder<State, Memory>,
  memory: Memory,
  problem: SearchProblem,
  scoring: Scoring,
  alpha: number,
): Promise<Hypothesis[][]> {
  checkProblem(problem, memory);
  const { batch, startId, maxLength, attention = false, wordAlternatives = 0, signal, onToken } = problem;
  const prompts = problem.prompts ?? Array<number[]>(batch).fill([startId]);
  const ends = new Set(endsOf(problem));
  const { width: topK } = scoring;
  const contextOf = (picture: number, tokens: readonly number[]): Context => {
    const prompt = prompts[picture]!;
    return { tokens: [...prompt, ...tokens], promptLength: prompt.length, picture };
  };

  // state: one row per picture and candidate; seen [pictures, tokens, hiddenSize], of length 1 each
  const held: Held<State, Memory> = {};

  /** Reads a token for every row; per row the sameness and what may follow. */
  const read = async (contexts: readonly Context[], state: State) => {
    const processing = contexts.map((context) => processingOf(context, scoring));
    const question = questionOf(processing, scoring);
    const asked = tf.tidy(() => step(decoder, contexts, state, held.memory ?? memory, held.seen, question, attention));
    Object.assign(held, { next: asked.next, hidden: asked.hidden, report: asked.report });
    const rows = readReport(await asked.report.data<'float32'>(), contexts.length, asked.vocabSize, question);
    asked.report.dispose();
    return rows.map((row, i) => {
      const [same, rest] = [row.rest[0]!, row.rest.subarray(1)];
      // From logits to log-probabilities, where processors have worked on logits.
      const found = continuationsOf({ ...row, rest }, processing[i]!, scoring);
      const offset = row.offset ?? 0;
      return { same, continuations: { ...found, scores: Array.from(found.scores, (score) => score - offset) } };
    });
  };
  const pathOf = (picture: number, beam: Beam, continuations: Continuations): Path => {
    const places = largest(continuations.scores, topK);
    if (places.length === 0) throw nothingLeft();
    return { picture, beam, continuations, places };
  };

  const finished: Hypothesis[][] = Array.from({ length: batch }, () => []);
  try {
    await checkAbort(signal);
    const start = tf.tidy(() => reordered(decoder.initialState(memory), [...finished.keys()]));
    held.state = start;
    const root: Beam = {
      ...{ tokens: [], logProbs: [], parents: [], sum: 0 },
      ...(attention && { weights: [] }),
      ...(wordAlternatives > 0 && { alternatives: [] }),
    };
    const pictures = [...finished.keys()];
    const first = await read(
      pictures.map((picture) => contextOf(picture, [])),
      start,
    );
    let paths = pictures.map((picture) => pathOf(picture, root, first[picture]!.continuations));
    let chosen: number[] = pictures; // the row of every path in what was read last

    for (let length = 1; paths.length > 0; length++) {
      await checkAbort(signal);
      const most = Math.max(...paths.map(({ places }) => places.length));
      advance(held, chosen, most);
      // Where fewer tokens may come than elsewhere, the first stands there again.
      const candidates = paths.flatMap(({ beam, continuations, places }) =>
        Array.from({ length: most }, (_, i) => extend(beam, 0, continuations, places[i] ?? places[0]!)),
      );
      const known = await read(
        candidates.map(({ tokens }, row) => contextOf(paths[Math.floor(row / most)]!.picture, tokens)),
        held.state,
      );
      const going: { path: Path; row: number }[] = [];
      for (const [i, path] of paths.entries()) {
        const { places, continuations, picture } = path;
        const worth = places.map(
          (place, j) => (1 - alpha) * Math.exp(continuations.scores[place]!) - alpha * known[i * most + j]!.same,
        );
        const row = i * most + largest(worth, 1)[0]!;
        const beam = candidates[row]!;
        const token = beam.tokens.at(-1)!;
        const ended = ends.has(token);
        const weights = beam.weights?.at(-1);
        const said = { picture, token, logProb: beam.logProbs.at(-1)!, finished: ended };
        if (onToken) await onToken({ ...said, ...(weights && { weights }) });
        if (ended || length === maxLength) {
          const score = beam.logProbs.reduce((sum, logProb) => sum + logProb, 0);
          finished[picture] = [hypothesis(beam, score, ended)];
        } else going.push({ path: pathOf(picture, beam, known[row]!.continuations), row });
      }
      const places = new Map(paths.map(({ picture }, i) => [picture, i]));
      paths = going.map(({ path }) => path);
      chosen = going.map(({ row }) => row);
      if (paths.length > 0)
        leave(
          held,
          memory,
          paths.map(({ picture }) => ({ picture, before: places.get(picture)! })),
          places.size,
        );
    }
    return finished;
  } finally {
    disposeTree(held as Tree);
  }
}

/** Everything on the device across an await, so that one `finally` releases it. */
type Held<State, Memory> = {
  memory?: Memory;
  state?: State;
  next?: State;
  hidden?: tf.Tensor2D;
  seen?: tf.Tensor3D;
  report?: tf.Tensor;
};

function step<State extends Tree, Memory extends Tree>(
  decoder: Decoder<State, Memory>,
  contexts: readonly Context[],
  state: State,
  memory: Memory,
  seen: tf.Tensor3D | undefined,
  question: Question,
  attention: boolean,
) {
  const last = tf.tensor1d(
    contexts.map(({ tokens }) => tokens.at(-1)!),
    'int32',
  );
  const { logits, state: after, weights, hidden } = decoder.step(last, state, memory);
  if (!hidden)
    throw new UsageError(
      'contrastive() compares what the last layer of a decoder reads, and this decoder does not give it: its step has no `hidden`. Use greedy(), beam() or sample().',
    );
  const norms = tf.sqrt(tf.sum(tf.square(hidden), 1, true));
  const unit = tf.div<tf.Tensor2D>(hidden, tf.maximum(norms, 1e-12));
  const [rows, size] = unit.shape;
  let same: tf.Tensor2D = tf.zeros([rows, 1]);
  if (seen) {
    const [pictures] = seen.shape;
    const cosines = tf.matMul(tf.reshape(unit, [pictures, rows / pictures, size]), seen, false, true);
    same = tf.reshape(tf.max(cosines, 2), [rows, 1]);
  }
  return {
    next: mapTree(after, (tensor) => tf.clone(tensor)),
    hidden: unit,
    report: report(logits, question, [same, ...(attention && weights ? [weights] : [])]),
    vocabSize: logits.shape[1],
  };
}

/** Takes on the state and the hidden state of the chosen rows, and repeats the state for `most` candidates each. */
function advance<State extends Tree, Memory extends Tree>(
  held: Held<State, Memory>,
  chosen: readonly number[],
  most: number,
): asserts held is Held<State, Memory> & { state: State } {
  const { next, hidden, seen, state } = held;
  const rows = chosen.flatMap((row) => Array<number>(most).fill(row));
  const grown = tf.tidy(() => {
    const latest = tf.expandDims(reordered(hidden!, chosen), 1);
    return {
      state: reordered(next!, rows),
      seen: (seen ? tf.concat([seen, latest], 1) : latest) as tf.Tensor3D,
    };
  });
  disposeTree([state, next, hidden, seen] as Tree);
  held.state = grown.state;
  held.seen = grown.seen;
  delete held.next;
  delete held.hidden;
}

/** Drops the pictures that are done from what is kept per picture. */
function leave<State extends Tree, Memory extends Tree>(
  held: Held<State, Memory>,
  memory: Memory,
  staying: readonly { picture: number; before: number }[],
  before: number,
): void {
  if (staying.length === before) return;
  const kept = tf.tidy(() => ({
    seen: reordered(
      held.seen!,
      staying.map((each) => each.before),
    ),
    memory: reordered(
      memory,
      staying.map(({ picture }) => picture),
    ),
  }));
  disposeTree([held.seen, held.memory] as Tree);
  Object.assign(held, kept);
}
