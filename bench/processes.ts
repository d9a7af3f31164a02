import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';
import type { Check } from './jobs/types';

const root = join(import.meta.dirname, '..');

/** One line to a process, which answers with one line; JSON both. */
export type Question = { ask: 'check' | 'profile' | 'peak' } | { ask: 'round'; seconds: number };

/** Shares of the time of a run: in kernels of onnxruntime, and in each kernel that the cpu backend computed. */
export type Profile = { onnxruntime: number; cpu: { kernel: string; share: number }[] };

export type Answers = {
  /** Told unasked when the engine is there: what it is, with versions. */
  start: { engine: string };
  check: Check;
  /** Of one run. */
  round: { milliseconds: number };
  profile: Profile;
  peak: { peakBytes: number };
};

/** A process that keeps an engine and a job, and works when it is told to. */
export class EngineProcess {
  private readonly lines: AsyncIterator<string>;
  private readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  private readonly ended: Promise<unknown>;
  private errors = '';

  constructor(command: string, args: readonly string[]) {
    const env = { ...process.env, PYTHONDONTWRITEBYTECODE: '1' };
    this.child = spawn(command, args, { cwd: root, env, stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stderr.on('data', (text) => {
      this.errors += text;
    });
    this.child.stdin.on('error', () => {}); // it has ended; the next answer says why
    this.ended = new Promise((resolve) => {
      this.child.on('close', resolve);
      this.child.on('error', (error) => {
        this.errors += error.message;
        resolve(undefined);
      });
    });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  /** @throws Error that the process tells, or with the last line of its standard error if it has ended without */
  async answer<Name extends keyof Answers>(_name: Name): Promise<Answers[Name]> {
    for (;;) {
      const { value, done } = await this.lines.next();
      if (done) break;
      if (!value.startsWith('{')) continue; // notes of libraries
      const answer: Answers[Name] | { error: string } = JSON.parse(value);
      if ('error' in answer) throw new Error(answer.error);
      return answer;
    }
    await this.ended;
    throw new Error(this.errors.trim().split('\n').at(-1) || 'its process ended without a word.');
  }

  ask<Name extends Question['ask']>(question: Question & { ask: Name }): Promise<Answers[Name]> {
    this.child.stdin.write(`${JSON.stringify(question)}\n`);
    return this.answer(question.ask as Name);
  }

  /** Largest resident memory so far. */
  async peakBytes(): Promise<number> {
    // What a process says of itself on Linux includes what its parent held when it was started; this does not.
    const status = await readFile(`/proc/${this.child.pid}/status`, 'utf8').catch(() => '');
    const kibibytes = /^VmHWM:\s+(\d+) kB/m.exec(status)?.[1];
    return kibibytes ? Number(kibibytes) * 1024 : (await this.ask({ ask: 'peak' })).peakBytes;
  }

  /** Ends it. */
  async end(): Promise<void> {
    this.child.stdin.end();
    this.child.kill();
    await this.ended;
  }
}

/**
 * Starts an engine on the job in `folder`: `pytorch`, `transformers.js` or the name of a backend. It answers 'start' when it
 * is there.
 */
export async function startEngine(engine: string, folder: string): Promise<EngineProcess> {
  if (engine === 'pytorch') {
    const script = join(root, 'bench/pytorch/engine.py');
    return new EngineProcess(await benchPython(), [script, folder, `${availableParallelism()}`]);
  }
  if (engine === 'transformers.js') await (await import('./transformersJS')).prepareTransformersJS(folder);
  return new EngineProcess(process.execPath, ['--import', 'tsx', join(root, 'bench/engine.ts'), engine, folder]);
}

/** The Python that PyTorch runs on. */
export const benchPython = () => pythonWith(['torch', 'numpy', 'transformers<4.58'], 'bench-venv');

/** BENCH_PYTHON, else that of a virtual environment with the packages in .cache/, made when it is first needed. */
export async function pythonWith(packages: readonly string[], folder: string): Promise<string> {
  if (process.env.BENCH_PYTHON) return process.env.BENCH_PYTHON;
  const environment = join(root, '.cache', folder);
  const python = join(environment, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
  const ready = join(environment, `ready-${packages.join('-').replaceAll(/[^\w.-]/g, '_')}`);
  if (existsSync(ready)) return python;
  const run = promisify(execFile);
  process.stderr.write(
    `Installing ${packages.join(' and ')} for the comparison (BENCH_PYTHON names a Python that has it)\n`,
  );
  await run('python3', ['-m', 'venv', environment]);
  await run(python, ['-m', 'pip', 'install', '--quiet', ...packages]);
  await writeFile(ready, '');
  return python;
}
