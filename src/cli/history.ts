import * as v from 'valibot';
import { readJSON, writeJSON } from '../io/checkpoint';
import type { Store } from '../io/types';

const FILE = 'history.json';

const finite = v.pipe(v.number(), v.finite());

const historySchema = v.object({
  /** Options of the command that make the run what it is. */
  options: v.record(v.string(), v.unknown()),
  pictures: v.object({ train: finite, dev: finite }),
  stepsPerEpoch: finite,
  /** Means over some steps each. */
  steps: v.array(v.object({ step: finite, loss: finite, learningRate: finite })),
  validations: v.array(
    v.object({
      epoch: finite,
      step: finite,
      seconds: finite,
      best: v.boolean(),
      /** What is measured, by name. */
      figures: v.record(v.string(), finite),
    }),
  ),
});

/** How a training went, as it is kept in the folder of the run. */
export type RunHistory = v.InferOutput<typeof historySchema>;
export type Validation = RunHistory['validations'][number];

export const readHistory = (store: Store): Promise<RunHistory> => readJSON(store, FILE, historySchema);

export const hasHistory = async (store: Store): Promise<boolean> => (await store.size(FILE)) !== undefined;

export const writeHistory = (store: Store, history: RunHistory): Promise<void> => writeJSON(store, FILE, history);

/** What there is of a history up to a step, from which a training goes on. */
export function upTo(history: RunHistory, step: number): RunHistory {
  const before = (each: { step: number }) => each.step <= step;
  return { ...history, steps: history.steps.filter(before), validations: history.validations.filter(before) };
}
