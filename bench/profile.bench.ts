/**
 * Where the time of a job of the benchmarks goes, kernel by kernel:
 *
 *   npx tsx bench/profile.bench.ts --engine tfjs-node --job train-step-v8000-l49 [--rows 16]
 *
 * Milliseconds and calls of one run, kernels of one name and one shape of inputs together. Reading the clock around every kernel
 * makes the whole a little slower. On webgpu and webgl kernels end later than they return: not for those.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import type { BackendName } from '../src/backends/types';
import { selectBackend } from '../src/node/backends';
import { jobs, work } from './jobs';
import { readPlan } from './jobs/files';
import { machine, table } from './table';

const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'tfjs-node' },
    job: { type: 'string', default: 'train-step-v8000-l49' },
    rows: { type: 'string', default: '16' },
  },
});
const [WARM, RUNS] = [3, 5];

type Spent = { calls: number; milliseconds: number };
const spent = new Map<string, Spent>();

/** Registers every kernel again, with a clock; those that a kernel asks for count as its own time. */
function watchKernels(): void {
  const backendName = tf.getBackend();
  let inside = false;
  for (const kernel of tf.getKernelsForBackend(backendName)) {
    tf.unregisterKernel(kernel.kernelName, backendName);
    tf.registerKernel({
      ...kernel,
      kernelFunc: (call) => {
        if (inside) return kernel.kernelFunc(call);
        inside = true;
        const start = performance.now();
        try {
          return kernel.kernelFunc(call);
        } finally {
          inside = false;
          add(nameOf(kernel.kernelName, call), performance.now() - start);
        }
      },
    });
  }
}

function nameOf(kernel: string, { inputs, attrs }: Parameters<tf.KernelFunc>[0]): string {
  const { transposeA, transposeB } = (attrs ?? {}) as { transposeA?: boolean; transposeB?: boolean };
  const turned = [transposeA && 'a turned', transposeB && 'b turned'].filter(Boolean).join(', ');
  const given = Object.values(inputs).flat() as (tf.TensorInfo | undefined)[];
  const shapes = given.flatMap((x) => (x ? [`[${x.shape}]`] : [])).slice(0, 4);
  return `${kernel} ${shapes.join(' ')}${turned && ` (${turned})`}`;
}

function add(name: string, milliseconds: number): void {
  const { calls, milliseconds: before } = spent.get(name) ?? { calls: 0, milliseconds: 0 };
  spent.set(name, { calls: calls + 1, milliseconds: before + milliseconds });
}

const job = jobs(undefined).find(({ name }) => name === values.job);
if (!job) throw new Error(`There is no job '${values.job}'.`);
const folder = await mkdtemp(join(tmpdir(), 'captioning-profile-'));
try {
  const { name, threads } = await selectBackend({ prefer: values.engine as BackendName });
  await job.prepare(folder);
  const { run } = await work[(await readPlan(folder)).kind](folder);
  const once = async () => {
    const result = await run();
    if (!(result instanceof tf.Tensor)) return;
    await result.data();
    result.dispose();
  };
  for (let i = 0; i < WARM; i++) await once();
  watchKernels();
  const start = performance.now();
  for (let i = 0; i < RUNS; i++) await once();
  const whole = (performance.now() - start) / RUNS;

  const sum = (kernels: Spent[]) => kernels.reduce((total, { milliseconds }) => total + milliseconds, 0) / RUNS;
  const products = [...spent].filter(([name]) => /MatMul/.test(name)).map(([, spent]) => spent);
  console.log(machine());
  console.log(`${job.name} on ${name}${threads ? `, ${threads} threads` : ''}: ${whole.toFixed(0)} ms`);
  console.log(
    `in kernels ${sum([...spent.values()]).toFixed(0)} ms, of that in products of matrices ${sum(products).toFixed(0)} ms\n`,
  );
  const most = [...spent].sort(([, a], [, b]) => b.milliseconds - a.milliseconds).slice(0, Number(values.rows));
  console.log(
    table(
      ['ms', 'calls', 'kernel'],
      most.map(([kernel, { calls, milliseconds }]) => [
        (milliseconds / RUNS).toFixed(1),
        (calls / RUNS).toFixed(0),
        kernel,
      ]),
    ),
  );
} finally {
  await rm(folder, { recursive: true });
}
