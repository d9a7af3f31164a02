import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { Reliability, Scaling } from '../src/training/calibrate';

export type Calibrated = Scaling & { name: string; before: Reliability; after: Reliability };

/** How often words were right over how sure each captioner was of them, before and after scaling, as SVG. */
export function reliabilityPlot(captioners: readonly Calibrated[]): string {
  const { document } = parseHTML('<html></html>');
  const curves = captioners.flatMap(({ name, before, after, temperature, bias }) => [
    { captioner: name, scaled: false, label: 'as it is', y: 0.12, bins: before.bins },
    {
      captioner: name,
      scaled: true,
      label: `temperature ${temperature.toFixed(2)}, bias ${bias.toFixed(2)}`,
      y: 0.05,
      bins: after.bins,
    },
  ]);
  const points = curves.flatMap(({ captioner, scaled, bins }) => bins.map((bin) => ({ captioner, scaled, ...bin })));
  const channels = { fx: 'captioner', x: 'confidence', y: 'accuracy', stroke: 'scaled' };
  const plot = Plot.plot({
    document: document as unknown as Document,
    width: 60 + 330 * captioners.length,
    height: 380,
    grid: true,
    style: { background: 'white', color: 'black' },
    fx: { label: null, domain: captioners.map(({ name }) => name) },
    x: { domain: [0, 1], label: 'confidence' },
    y: { domain: [0, 1], label: 'share of words that are right' },
    color: { domain: [false, true], range: ['#d1362f', '#4269d0'] },
    marks: [
      Plot.frame({ stroke: '#ddd' }),
      Plot.link([0], { x1: 0, y1: 0, x2: 1, y2: 1, stroke: '#999', strokeDasharray: '4' }),
      Plot.line(points, channels),
      Plot.dot(points, { ...channels, r: 'count', fill: 'white' }),
      Plot.text(curves, {
        fx: 'captioner',
        x: 0.98,
        y: 'y',
        text: 'label',
        fill: 'scaled',
        textAnchor: 'end',
        fontSize: 12,
      }),
    ],
  });
  plot.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return `${plot.outerHTML}\n`;
}
