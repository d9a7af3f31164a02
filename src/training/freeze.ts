import { UsageError } from '../core/errors';
import type { Parameters } from './gradients';

/** Names of parameters: one pattern, or several any of which may fit. `/^decoder\.layers\.[01]\./` is the first two layers. */
export type NamePattern = RegExp | readonly RegExp[];

/** The names that a pattern fits, in order. */
export function namesOf(parameters: Parameters, pattern: NamePattern): string[] {
  const patterns = [pattern].flat() as RegExp[];
  return [...parameters.keys()].filter((name) => patterns.some((each) => name.search(each) >= 0));
}

/** What was frozen: its names, and how to have it trained again. */
export type Frozen = { names: string[]; release(): void };

/**
 * Parameters with these names stay as they are in training, weight decay included, until they are released.
 *
 * @throws UsageError where the pattern fits none
 */
export function freeze(parameters: Parameters, pattern: NamePattern): Frozen {
  return frozen(parameters, expectNames(parameters, pattern));
}

/**
 * Freezes all parameters but those with these names.
 *
 * @throws UsageError where the pattern fits none
 */
export function trainOnly(parameters: Parameters, pattern: NamePattern): Frozen {
  const names = new Set(expectNames(parameters, pattern));
  return frozen(
    parameters,
    [...parameters.keys()].filter((name) => !names.has(name)),
  );
}

/** @throws UsageError where the pattern fits none */
export function expectNames(parameters: Parameters, pattern: NamePattern): string[] {
  const names = namesOf(parameters, pattern);
  if (names.length > 0) return names;
  const some = [...parameters.keys()].slice(0, 5).join(', ');
  throw new UsageError(
    `No parameter has a name that fits ${[pattern].flat().join(' or ')}. Names are such as ${some}.`,
  );
}

/** What was never trained, such as the running mean of a batch norm, is left alone. */
function frozen(parameters: Parameters, names: string[]): Frozen {
  const variables = names.map((name) => parameters.get(name)!).filter(({ trainable }) => trainable);
  const set = (trainable: boolean) => {
    for (const variable of variables) variable.trainable = trainable;
  };
  set(false);
  return { names, release: () => set(true) };
}
