import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InvalidArgumentError } from 'commander';
import type { BackendDescription, BackendName } from '../backends/types';
import { DataError } from '../core/errors';
import { selectBackend } from '../node/backends';
import { directory } from '../node/directory';

/** The captioner that comes with the package. */
export function shippedModel(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!isPackage(folder)) {
    if (dirname(folder) === folder)
      throw new DataError('The package tfjs-captioning is not whole: its package.json is missing. Install it again.');
    folder = dirname(folder);
  }
  return join(folder, 'models', 'flickr8k');
}

function isPackage(folder: string): boolean {
  const file = join(folder, 'package.json');
  return existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === 'tfjs-captioning';
}

/** Takes the fastest backend that works, or the one in TFJS_CAPTIONING_BACKEND, and says on standard error which. */
export async function startBackend(): Promise<BackendDescription> {
  const asked = process.env.TFJS_CAPTIONING_BACKEND as BackendName | undefined;
  const backend = await selectBackend(asked ? { prefer: asked } : {});
  process.stderr.write(`Backend: ${describeBackend(backend)}\n`);
  return backend;
}

export function describeBackend({ name, threads, versions }: BackendDescription): string {
  const parts = Object.entries(versions).map(([part, version]) => `${part} ${version}`);
  return `${name}${threads ? `, ${threads} thread${threads === 1 ? '' : 's'}` : ''} (${parts.join(', ')})`;
}

const numberOption = (what: string, fits: (value: number) => boolean) => (text: string) => {
  const value = Number(text);
  if (text.trim() === '' || !fits(value)) throw new InvalidArgumentError(`It should be ${what}.`);
  return value;
};

export const wholeFrom = (least: number) =>
  numberOption(`a whole number of at least ${least}`, (value) => Number.isInteger(value) && value >= least);
export const positive = numberOption('a number above 0', (value) => Number.isFinite(value) && value > 0);
export const finite = numberOption('a number', Number.isFinite);
export const share = numberOption('a number from 0 to below 1', (value) => value >= 0 && value < 1);
export const notNegative = numberOption('a number of at least 0', (value) => Number.isFinite(value) && value >= 0);

/** Refuses a file in a folder that is not there, before the work on what should be written begins. */
export function expectFolderOf(path: string): void {
  if (!existsSync(dirname(path)))
    throw new DataError(`${path} could not be written: there is no folder ${dirname(path)}.`);
}

/** Writes a file whole or not at all, into a folder that is there. */
export async function writeOutput(path: string, content: string | Uint8Array): Promise<void> {
  expectFolderOf(path);
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  await directory(dirname(path)).write(basename(path), bytes);
}

/** Aborts on the first Ctrl-C (or SIGTERM), so that work can be saved; a second one ends the process at once. */
export function abortOnInterrupt(message: string): AbortController {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      process.stderr.write(`\n${message}\n`);
      controller.abort(new Interrupted());
    });
  return controller;
}

/** The person stopped the command: ends with status 130, without a complaint. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}
