import { DataError, UsageError } from '../core/errors';

/** An error as a thread sends it: sent as it is, it would lose its class. */
export type Problem = { name: string; message: string };

export function problemOf(error: unknown): Problem {
  const { name, message } = error as Error;
  return { name, message };
}

/**
 * The error again, of the same class where it is one of this library.
 *
 * @param where - what its message begins with
 */
export function errorOf({ name, message }: Problem, where?: string): Error {
  const text = where === undefined ? message : `${where}: ${message}`;
  if (name === 'DataError') return new DataError(text);
  return name === 'UsageError' ? new UsageError(text) : new Error(text);
}
