import * as v from 'valibot';
import { DataError } from './errors';

/** A size: a whole number of at least 1. */
export const whole = v.pipe(v.number(), v.integer(), v.minValue(1));

/** A count, or the id of a token: a whole number of at least 0. */
export const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** What a schema found wrong, one line each: where, and what; `whole` names the value itself. */
export function problemsOf(issues: readonly v.BaseIssue<unknown>[], whole: string): string[] {
  return issues.map((issue) => `${v.getDotPath(issue) ?? whole}: ${issue.message}`);
}

/**
 * What a schema makes of a configuration file.
 *
 * @param what - such as `configuration of the ViT`
 * @throws DataError with everything that is wrong
 */
export function readConfig<S extends v.GenericSchema>(schema: S, json: unknown, what: string): v.InferOutput<S> {
  const checked = v.safeParse(schema, json);
  if (checked.success) return checked.output;
  throw new DataError(`The ${what} cannot be used: ${problemsOf(checked.issues, 'configuration').join('; ')}.`);
}
