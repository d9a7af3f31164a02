/** Wrong use: an argument or option that cannot be meant. The command line ends with status 2 on it. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What was given is damaged, missing or does not fit: a picture, a caption file, a checkpoint. */
export class DataError extends Error {
  override readonly name = 'DataError';
}

/** Throws a `UsageError` unless `value` is a whole number of at least `least`. */
export function expectWhole(name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least) return;
  throw new UsageError(`${name} is ${value} but should be a whole number of at least ${least}.`);
}

/** Throws a `UsageError` unless `value` is a finite number above zero. */
export function expectPositive(name: string, value: number): void {
  if (Number.isFinite(value) && value > 0) return;
  throw new UsageError(`${name} is ${value} but should be a number above 0.`);
}

/** Throws a `UsageError` unless `value` is one of `known`. */
export function expectOneOf(name: string, value: unknown, known: readonly string[]): void {
  if (known.includes(value as string)) return;
  throw new UsageError(`${name} is ${value} but should be one of ${known.join(', ')}.`);
}
