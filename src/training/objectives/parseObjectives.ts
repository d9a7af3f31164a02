import { UsageError } from '../../core/errors';
import { OBJECTIVE_NAMES, type ObjectiveWeights } from './multiTask';

/**
 * Reads a weighted sum such as `caption+mlm:0.5+itm:1`; a weight that is not given is 1.
 *
 * @throws UsageError that names the part which cannot be read, and what is known
 */
export function parseObjectives(text: string): ObjectiveWeights {
  const weights: ObjectiveWeights = {};
  for (const part of text.split('+')) {
    const [, name, given] = /^\s*([a-z]+)\s*(?::\s*([\d.]+(?:e-?\d+)?)\s*)?$/i.exec(part) ?? [];
    const known = OBJECTIVE_NAMES.find((each) => each === name?.toLowerCase());
    const weight = given === undefined ? 1 : Number(given);
    if (!known || !Number.isFinite(weight) || weight <= 0)
      throw new UsageError(
        `The objective '${text}' cannot be read at '${part.trim()}'. Give names joined by +, each with a weight above 0 if it is ` +
          `not 1, such as caption+mlm:0.5+itm. The names are ${OBJECTIVE_NAMES.join(', ')}.`,
      );
    if (weights[known] !== undefined) throw new UsageError(`The objective '${text}' names ${known} twice.`);
    weights[known] = weight;
  }
  return weights;
}
