import type { Store } from '../io/types';
import { type Line, lineChart, svgToPng } from '../node/chart';
import type { RunHistory } from './history';

/** Figures of a validation that are losses: of true captions, teacher-forced, without dropout. */
export const LOSSES = ['training loss', 'development loss'] as const;

/** Scores that are drawn where a run has them. */
const SCORES = ['CIDEr', 'BLEU-4', 'ROUGE-L', 'text to image recall@1', 'text to image recall@10'];

/** The points of one figure over the epochs. */
export function lineOf({ validations, stepsPerEpoch }: RunHistory, figure: string, name = figure): Line {
  const points = validations.flatMap(({ step, figures }) =>
    figures[figure] === undefined ? [] : [{ x: step / stepsPerEpoch, y: figures[figure] }],
  );
  return { name, points };
}

/** What is learned from, as it was at the time: with dropout, smoothed targets and all terms of the objective. */
export const learningLine = ({ steps, stepsPerEpoch }: RunHistory, name = 'as learned'): Line => ({
  name,
  points: steps.map(({ step, loss }) => ({ x: step / stepsPerEpoch, y: loss })),
  faint: true,
});

/** The curves of one run as SVG, by name; those without a point are left out. */
export function runCurves(history: RunHistory): Map<string, string> {
  const best = history.validations.findLast(({ best }) => best);
  const mark = best && { mark: { x: best.step / history.stepsPerEpoch, label: 'best' } };
  const charts: [name: string, title: string, unit: string, lines: Line[]][] = [
    ['loss', 'Loss', 'nats per token', [learningLine(history), ...LOSSES.map((name) => lineOf(history, name))]],
    ['scores', 'Scores of the development split', 'share of 1', SCORES.map((name) => lineOf(history, name))],
  ];
  return new Map(
    charts.flatMap(([name, title, y, all]) => {
      const lines = all.filter(({ points }) => points.length > 0);
      return lines.length === 0 ? [] : [[name, lineChart({ title, x: 'epoch', y, lines, ...mark })]];
    }),
  );
}

/** Draws the curves of a run into its folder, each as SVG and as PNG. */
export async function drawCurves(store: Store, history: RunHistory): Promise<void> {
  for (const [name, svg] of runCurves(history)) {
    await store.write(`curves/${name}.svg`, new TextEncoder().encode(svg));
    await store.write(`curves/${name}.png`, await svgToPng(svg));
  }
}
