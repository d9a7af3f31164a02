import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Check, Job } from './jobs/types';
import { type EngineProcess, type Profile, startEngine } from './processes';

export type Timing = {
  engine: string;
  /** With versions and threads. */
  description: string;
  /** Of the whole job. */
  milliseconds: number;
  peakBytes: number;
  profile?: Profile;
};

export type Comparison = {
  timings: Timing[];
  /** What part of the job was timed, where it is not all; the rest is extrapolated. */
  part: number;
  /** Engines that are not installed or do not start here, and why. */
  missing: Map<string, string>;
  /** Engines that did not get through the job, or computed something else. */
  failures: Map<string, string>;
};

/** Seconds that a round runs a job, at least once. */
const ROUND = 1;
/** Milliseconds between turns, in which the threads of the engine before go to sleep. */
const REST = 250;
/** Relative: float32 sums of a million terms in another order; an error in the model shows in the second digit. */
const AGREEMENT = 1e-3;

type Runner = { name: string; description: string; process: EngineProcess };

/**
 * One job by several engines, each in a process of its own, in turn: A, B, C, A, B, C, ... They must agree first. The
 * time of an engine is the mean of its fastest round, or of a job of parts the mean of all, one part being a round.
 */
export async function compare(
  job: Job,
  engines: readonly string[],
  rounds: number,
  cache: string,
): Promise<Comparison> {
  const folder = join(cache, job.name);
  await mkdir(folder, { recursive: true });
  await job.prepare(folder);
  const parts = await job.parts?.(folder);
  const missing = new Map<string, string>();
  const failures = new Map<string, string>();
  let running: Runner[] = [];

  /** Asks one after the other; one that fails is asked no more. */
  const inTurn = async (ask: (runner: Runner) => Promise<void>) => {
    for (const runner of running) {
      try {
        await ask(runner);
      } catch (error) {
        failures.set(runner.name, (error as Error).message);
        await runner.process.end();
      }
      await pause(REST);
    }
    running = running.filter(({ name }) => !failures.has(name));
  };

  try {
    for (const name of engines) {
      try {
        const process = await startEngine(name, folder);
        running.push({ name, process, description: (await process.answer('start')).engine });
      } catch (error) {
        missing.set(name, (error as Error).message);
      }
    }
    let reference: { name: string; check: Check } | undefined;
    await inTurn(async ({ name, process }) => {
      const check = await process.ask({ ask: 'check' });
      if (reference) expectAgreement(reference.name, reference.check, check);
      reference ??= { name, check };
    });
    await inTurn(async ({ process }) => void (await process.ask({ ask: 'round', seconds: 0 }))); // to warm up
    const times = new Map<string, number[]>(running.map(({ name }) => [name, []]));
    for (let round = 0; round < (parts?.timed ?? rounds); round++)
      await inTurn(async ({ name, process }) => {
        const { milliseconds } = await process.ask({ ask: 'round', seconds: parts ? 0 : ROUND });
        times.get(name)!.push(milliseconds);
      });
    const timings: Timing[] = [];
    await inTurn(async ({ name, description, process }) => {
      const peakBytes = await process.peakBytes();
      const all = times.get(name)!;
      const milliseconds = parts ? (sum(all) / all.length) * parts.all : Math.min(...all);
      const profiled = name === 'onnxruntime' && job.name.startsWith('train-step');
      timings.push({
        engine: name,
        description,
        milliseconds,
        peakBytes,
        ...(profiled && { profile: await process.ask({ ask: 'profile' }) }),
      });
    });
    return { timings, part: parts ? parts.timed / parts.all : 1, missing, failures };
  } finally {
    await Promise.all(running.map(({ process }) => process.end()));
  }
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

function expectAgreement(by: string, expected: Check, found: Check): void {
  for (const [name, values] of Object.entries(found.captionsOnly ? {} : expected.numbers)) {
    const scale = Math.max(...values.map(Math.abs));
    const others = found.numbers[name] ?? [];
    const differing = values.findIndex((value, i) => !(Math.abs(value - others[i]!) <= AGREEMENT * scale));
    if (differing < 0) continue;
    const [a, b] = [values[differing], others[differing]];
    throw new Error(`it does not compute the same: ${name}[${differing}] is ${b} but should be ${a}, as by ${by}.`);
  }
  const differing = expected.captions?.findIndex((caption, i) => `${caption}` !== `${found.captions?.[i]}`) ?? -1;
  if (differing < 0) return;
  const [a, b] = [expected.captions![differing], found.captions?.[differing]];
  throw new Error(`its captions differ: that of picture ${differing} is ${b} but should be ${a}, as by ${by}.`);
}
