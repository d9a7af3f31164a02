import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

/** Made by test/buildCommand.ts. */
const main = join(import.meta.dirname, '../../.cache/test/cli.js');

export type ProgramResult = { status: number | null; out: string; err: string };

/** Starts the command line as a program of its own, on plain cpu, with a cache that is not the user's. */
export function startProgram(
  args: readonly string[],
  cache: string,
): { child: ChildProcess; done: Promise<ProgramResult> } {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, TFJS_CAPTIONING_BACKEND: 'cpu', XDG_CACHE_HOME: cache },
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const done = new Promise<ProgramResult>((resolve) => child.on('close', (status) => resolve({ status, out, err })));
  return { child, done };
}

/** The objects that a command printed with `--json`, one per line. */
export const linesOf = (out: string) =>
  out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
