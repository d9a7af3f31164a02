import type { Store } from '../io/types';
import { eventFile } from '../node/eventFile';
import type { TrainStep } from '../training/loop';
import { drawCurves } from './curves';
import { hasHistory, type RunHistory, readHistory, upTo, type Validation, writeHistory } from './history';

/** Points of the loss over a run, at most about so many. */
const POINTS = 1000;

/** Where a training tells how it goes: `history.json`, `curves/` and `tensorboard/` in the folder of the run. */
export type RunLog = {
  step(step: TrainStep): Promise<void>;
  validated(validation: Validation): Promise<void>;
  close(): Promise<void>;
};

/**
 * @param about - what the history says of the run
 * @param from - the step that a resumed training goes on from; what was told of later ones is forgotten
 */
export async function openRunLog(
  store: Store,
  about: Pick<RunHistory, 'options' | 'pictures'>,
  { epochs, from }: { epochs: number; from: number },
): Promise<RunLog> {
  const empty: RunHistory = { ...about, stepsPerEpoch: 1, steps: [], validations: [] };
  const before = from > 0 && (await hasHistory(store)) ? upTo(await readHistory(store), from) : empty;
  const history: RunHistory = { ...before, ...about };
  const events = eventFile(`${store.location}/tensorboard`);
  let sum = { loss: 0, count: 0 };
  return {
    async step({ step, totalSteps, crossEntropy, loss, figures, learningRate, gradientNorm }) {
      history.stepsPerEpoch = totalSteps / epochs;
      sum = { loss: sum.loss + crossEntropy, count: sum.count + 1 };
      if (step % Math.ceil(totalSteps / POINTS) !== 0) return;
      history.steps.push({ step, loss: sum.loss / sum.count, learningRate });
      sum = { loss: 0, count: 0 };
      const norm = gradientNorm === undefined ? {} : { gradientNorm };
      await events.add(step, underName('train', { loss, crossEntropy, learningRate, ...norm, ...figures }));
    },
    async validated(validation) {
      history.validations.push(validation);
      await events.add(validation.step, underName('validation', validation.figures));
      await writeHistory(store, history);
      await drawCurves(store, history);
    },
    close: () => events.close(),
  };
}

const underName = (group: string, figures: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${group}/${name.replaceAll(' ', '_')}`, value]));
