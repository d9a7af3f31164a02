/**
 * One engine and one job in a process of its own, asked line by line on standard input; see processes.ts.
 *
 *   tsx bench/engine.ts BACKEND FOLDER
 *
 * BACKEND is a name, `fastest`, or `transformers.js`.
 */
import { createInterface } from 'node:readline';
import * as tf from '@tensorflow/tfjs';
import type { BackendDescription, BackendName } from '../src/backends/types';
import { selectBackend } from '../src/node/backends';
import { type KernelCall, profileKernels } from '../src/node/onnxruntime/register';
import { work } from './jobs';
import { readPlan } from './jobs/files';
import type { Work } from './jobs/types';
import type { Answers, Profile, Question } from './processes';
import { captionByTransformersJS, describeTransformersJS } from './transformersJS';

const answer = (value: Answers[keyof Answers] | { error: string }) =>
  process.stdout.write(`${JSON.stringify(value)}\n`);

function describe({ name, threads, versions }: BackendDescription): string {
  const parts = Object.entries(versions).map(([part, version]) => `${part} ${version}`);
  return [name, ...parts, ...(threads ? [`${threads} threads`] : [])].join(', ');
}

async function runOnce({ run }: Work): Promise<void> {
  const result = run();
  if (!(result instanceof tf.Tensor)) return result;
  await result.data();
  result.dispose();
}

/** Runs for so many seconds, at least once. */
async function round(work: Work, seconds: number): Promise<Answers['round']> {
  const started = performance.now();
  let runs = 0;
  let milliseconds = 0;
  do {
    await runOnce(work);
    runs++;
    milliseconds = performance.now() - started;
  } while (milliseconds < seconds * 1000);
  return { milliseconds: milliseconds / runs };
}

/** Where the time of a run goes; only of runs that wait for nothing. */
function profile({ run }: Work): Profile {
  const calls: KernelCall[] = [];
  const started = performance.now();
  const waits = profileKernels(
    () => {
      const result = run();
      if (!(result instanceof tf.Tensor)) return true;
      result.dataSync();
      result.dispose();
      return false;
    },
    (call) => calls.push(call),
  );
  if (waits) throw new Error('A run that waits cannot be profiled.');
  const total = performance.now() - started;
  const onCpu = new Map<string, number>();
  let native = 0;
  for (const { kernel, on, milliseconds } of calls)
    if (on === 'onnxruntime') native += milliseconds;
    else onCpu.set(kernel, (onCpu.get(kernel) ?? 0) + milliseconds);
  const share = (milliseconds: number) => milliseconds / total;
  const cpu = [...onCpu].sort((a, b) => b[1] - a[1]).map(([kernel, time]) => ({ kernel, share: share(time) }));
  return { onnxruntime: share(native), cpu };
}

/** The backend of that name; an error is the reason alone, of those that `selectBackend` lists. */
async function start(name: BackendName | 'fastest'): Promise<BackendDescription> {
  try {
    return await selectBackend(name === 'fastest' ? {} : { prefer: name });
  } catch (error) {
    const reasons = [...(error as Error).message.matchAll(/^ {2}\S+: (.*)$/gm)].map(([, reason]) => reason);
    throw reasons.length > 0 ? new Error(reasons.join(' ')) : error;
  }
}

async function serve(engine: BackendName | 'fastest' | 'transformers.js', folder: string): Promise<void> {
  const foreign = engine === 'transformers.js';
  answer({ engine: foreign ? await describeTransformersJS() : describe(await start(engine)) });
  const { kind } = await readPlan(folder);
  const opened = await (foreign ? captionByTransformersJS : work[kind])(folder);
  for await (const line of createInterface({ input: process.stdin })) {
    const asked: Question = JSON.parse(line);
    if (asked.ask === 'check') answer(await opened.check());
    else if (asked.ask === 'round') answer(await round(opened, asked.seconds));
    else if (asked.ask === 'profile') answer(profile(opened));
    else answer({ peakBytes: process.resourceUsage().maxRSS * 1024 });
  }
}

try {
  await serve(process.argv[2] as Parameters<typeof serve>[0], process.argv[3]!);
  process.exit(0); // threads of wasm would hold it
} catch (error) {
  answer({ error: (error as Error).message });
  process.exit(1);
}
