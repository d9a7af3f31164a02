/**
 * How the time of a training step grows: npm run bench:growth [-- --engine NAME --json FILE --plot FILE]
 *
 *   --engine NAME   a backend or pytorch; without it TFJS_CAPTIONING_BACKEND, or the fastest backend that works
 *   --rounds N      turns of which the fastest counts, 3 by default
 *   --json FILE     what was measured, as `Growth` in growthPlot.ts
 *   --plot FILE     the plot, docs/growth.svg by default
 *
 * From a small step, batch, vocabulary, positions and length are doubled, one at a time. The exponent is the slope of
 * log(ms) over log(size) by least squares; that of the last doubling alone is printed beside it, for a small step has
 * parts that do not grow at all and so hide how the others do. 1 is linear.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { compare } from './compare';
import { type Growth, growthPlot, type Series } from './growthPlot';
import { prepareTrainStep, type StepSizes } from './jobs/trainStep';
import { machine, table } from './table';

const root = join(import.meta.dirname, '..');
const base: StepSizes = { rows: 8, vocabSize: 1000, positions: 49, time: 10 };
const named: [name: string, size: keyof StepSizes][] = [
  ['batch', 'rows'],
  ['vocabulary', 'vocabSize'],
  ['positions', 'positions'],
  ['length', 'time'],
];
const DOUBLINGS = 4;
/** An exponent up to which growth counts as linear: what is measured scatters. */
const LINEAR = 1.1;

const { values } = parseArgs({
  options: {
    engine: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'string' },
    plot: { type: 'string', default: join(root, 'docs/growth.svg') },
  },
});
const rounds = Number(values.rounds);
if (!(Number.isInteger(rounds) && rounds >= 1))
  throw new Error(`--rounds is ${values.rounds} but should be a whole number of at least 1.`);
tf.enableProdMode(); // or it would advise to install a native backend: only data are prepared in this process

async function time(sizes: StepSizes): Promise<{ ms: number; engine: string }> {
  const job = { name: 'growth', prepare: (folder: string) => prepareTrainStep(folder, sizes) };
  const engine = values.engine ?? process.env.TFJS_CAPTIONING_BACKEND ?? 'fastest';
  const { timings, missing, failures } = await compare(job, [engine], rounds, join(root, '.cache/bench'));
  const [timing] = timings;
  if (timing) return { ms: timing.milliseconds, engine: timing.description };
  throw new Error([...missing, ...failures].map(([name, why]) => `${name}: ${why}`).join('\n'));
}

/** Slope of log(ms) over log(size) by least squares. */
function exponent(points: Series['points']): number {
  const logs = points.map(({ size, ms }) => [Math.log(size), Math.log(ms)] as const);
  const mean = (pick: 0 | 1) => logs.reduce((sum, log) => sum + log[pick], 0) / logs.length;
  const [x, y] = [mean(0), mean(1)];
  const both = logs.reduce((sum, log) => sum + (log[0] - x) * (log[1] - y), 0);
  return both / logs.reduce((sum, log) => sum + (log[0] - x) ** 2, 0);
}

const smallest = await time(base);
const series: Series[] = [];
for (const [name, size] of named) {
  const points = [{ size: base[size], ms: smallest.ms }];
  for (let doubling = 1; doubling <= DOUBLINGS; doubling++) {
    const sizes = { ...base, [size]: base[size] * 2 ** doubling };
    process.stderr.write(`${name} ${sizes[size]}\n`);
    points.push({ size: sizes[size], ms: (await time(sizes)).ms });
  }
  series.push({ name, points, exponent: exponent(points), lastExponent: exponent(points.slice(-2)) });
}

const growth: Growth = { machine: machine(), engine: smallest.engine, base, series };
console.log(`${growth.machine}\n${growth.engine}\nfrom ${JSON.stringify(base)}, the fastest of ${rounds} rounds\n`);
const times = Array.from({ length: DOUBLINGS + 1 }, (_, doubling) => `ms x ${2 ** doubling}`);
const cells = series.map(({ name, points, exponent, lastExponent }) => [
  name,
  ...points.map(({ ms }) => ms.toFixed(0)),
  exponent.toFixed(2),
  lastExponent.toFixed(2),
]);
console.log(table(['', ...times, 'exponent', 'of the last'], cells));
for (const { name, lastExponent } of series)
  if (lastExponent > LINEAR) console.log(`${name}: the last doubling took more than twice the time`);
if (values.json) await writeFile(values.json, `${JSON.stringify(growth, null, 2)}\n`);
await writeFile(values.plot, growthPlot(growth));
