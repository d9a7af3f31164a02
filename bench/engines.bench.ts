/**
 * Training and captioning by every engine that is here, against PyTorch: npm run bench [-- --only JOB --json FILE]
 *
 *   --only JOB          this job alone; may be given several times
 *   --engines A,B       instead of pytorch,transformers.js,tfjs-node-gpu,tfjs-node,onnxruntime,wasm; cpu only if it is named
 *   --rounds N          turns of every engine, 5 by default
 *   --epoch-steps N     steps that are timed of the epoch, or `all`; 20 by default, and the epoch is extrapolated
 *   --json FILE         the rows of the table, a JSON array of `Row` in table.ts
 *
 * All engines read the same weights and data and must first agree on losses, norms of gradients, features and captions.
 * Each runs in a process of its own, on all processors, in turn with the others. ms is the mean of the fastest of the
 * rounds of a second each, which leaves out what else the machine did; tokens/s counts those of all pictures of a run,
 * encoding included; peak MB (2^20 bytes) is the largest resident memory of the process from start to end.
 *
 * PyTorch runs on the Python named in BENCH_PYTHON (with torch, numpy and transformers; for transformers.js optimum-onnx
 * too), else in a virtual environment that is made in .cache/. transformers.js is @huggingface/transformers, installed
 * there too; it does the jobs of the VisionEncoderDecoder by greedy search alone, having no beam search and no BLIP.
 * Flickr8k is looked for in CAPTIONING_DATA or ../shared/data.
 */
import { writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import { type Comparison, compare, type Timing } from './compare';
import { jobs } from './jobs';
import type { Job } from './jobs/types';
import { machine, type Row, rowsTable } from './table';

const cache = join(import.meta.dirname, '../.cache/bench');

const { values } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    engines: { type: 'string', default: 'pytorch,transformers.js,tfjs-node-gpu,tfjs-node,onnxruntime,wasm' },
    rounds: { type: 'string', default: '5' },
    'epoch-steps': { type: 'string', default: '20' },
    json: { type: 'string' },
  },
});

function whole(option: 'rounds' | 'epoch-steps'): number {
  const value = Number(values[option]);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new Error(`--${option} is ${values[option]} but should be a whole number of at least 1.`);
}

const all = jobs(values['epoch-steps'] === 'all' ? undefined : whole('epoch-steps'));
for (const name of values.only ?? [])
  if (!all.some((job) => job.name === name))
    throw new Error(`There is no job '${name}'; choose among ${all.map((job) => job.name).join(', ')}.`);
const chosen = all.filter(({ name }) => values.only?.includes(name) ?? true);
const rounds = whole('rounds');

function rowsOf({ name: job, tokens }: Job, { timings, part }: Comparison): Row[] {
  const torch = timings.find(({ engine }) => engine === 'pytorch');
  return timings.map(({ engine, description, milliseconds, peakBytes, profile }) => ({
    job,
    engine,
    ms: milliseconds,
    ...(tokens !== undefined && { tokensPerSecond: (1000 * tokens) / milliseconds }),
    ratioToPyTorch: torch ? milliseconds / torch.milliseconds : null,
    peakMB: peakBytes / 2 ** 20,
    version: description,
    machine: machine(),
    ...(part < 1 && { part }),
    ...(profile && { onnxruntimeShare: profile.onnxruntime }),
  }));
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** Where the time of a step on onnxruntime goes. */
function shareOf(job: string, { profile }: Timing): string[] {
  if (!profile) return [];
  const { onnxruntime, cpu } = profile;
  const others = cpu.reduce((sum, { share }) => sum + share, 0);
  const most = cpu.slice(0, 6).map(({ kernel, share }) => `${kernel} ${percent(share)}`);
  return [
    `${job}: of the step on onnxruntime, ${percent(onnxruntime)} of the time in its kernels, ${percent(others)} in those ` +
      `of the cpu backend${most.length > 0 ? ` (${most.join(', ')})` : ''}, ${percent(1 - onnxruntime - others)} between them`,
  ];
}

tf.enableProdMode(); // or it would advise to install a native backend: only data are prepared in this process
const load = loadavg()[0]!.toFixed(1);
const rows: Row[] = [];
const shares: string[] = [];
const missing = new Map<string, string>();
const failures: string[] = [];
for (const job of chosen) {
  process.stderr.write(`${job.name}\n`);
  const engines = values.engines
    .split(',')
    .filter((engine) => !missing.has(engine) && (engine !== 'transformers.js' || job.transformersJS));
  const comparison = await compare(job, engines, rounds, cache);
  rows.push(...rowsOf(job, comparison));
  shares.push(...comparison.timings.flatMap((timing) => shareOf(job.name, timing)));
  for (const [engine, why] of comparison.missing) missing.set(engine, why);
  for (const [engine, why] of comparison.failures) failures.push(`${job.name}, ${engine}: ${why}`);
}

console.log(`${machine()}; load ${load} at the start`);
for (const version of new Set(rows.map((row) => row.version))) console.log(version);
console.log(`\n${rowsTable(rows)}\n`);
for (const { job, part } of rows.filter(({ part, job }, i) => part !== undefined && rows[i - 1]?.job !== job))
  console.log(`${job}: ~ is extrapolated from the mean of ${percent(part!)} of it`);
for (const line of shares) console.log(line);
for (const [engine, why] of missing) console.log(`not here: ${engine}: ${why}`);
for (const line of failures) console.log(`FAILED: ${line}`);
if (values.json) await writeFile(values.json, `${JSON.stringify(rows, null, 2)}\n`);
if (failures.length > 0 || rows.length === 0) process.exitCode = 1;
