import { expectPositive, expectWhole, UsageError } from '../core/errors';
import { Random } from '../core/random';
import { datasetAt } from './dataset';
import type { Dataset, Example } from './types';
import { permutation } from './walk';

/** One of the data sets of a mixture; its name comes before the ids of its examples. */
export type MixturePart = { name: string; data: Dataset; weight: number };

/**
 * Several data sets as one, each with its share of the examples, evenly spread: of weights 3 and 1, every fourth example is of the
 * second. A data set that has fewer pictures than its share comes round again, mixed anew; of one with more, some are left out.
 * Holds 6 bytes per example.
 *
 * Ids are `name/id`, `name/id#2` where an example comes for the second time.
 *
 * @param size - examples in all; by default as many as the data sets have
 */
export function mixed(
  parts: readonly MixturePart[],
  { seed = 0, size }: { seed?: number; size?: number } = {},
): Dataset {
  if (parts.length === 0) throw new UsageError('There is no data set to mix.');
  if (new Set(parts.map(({ name }) => name)).size < parts.length)
    throw new UsageError(
      `Data sets to be mixed need different names, not ${parts.map(({ name }) => name).join(', ')}.`,
    );
  for (const { name, data, weight } of parts) {
    expectPositive(`The weight of ${name}`, weight);
    if (data.size === 0) throw new UsageError(`${name} has no examples, so it cannot be mixed in.`);
  }
  const total = size ?? parts.reduce((sum, { data }) => sum + data.size, 0);
  expectWhole('size', total, 1);
  const weights = parts.reduce((sum, { weight }) => sum + weight, 0);
  const partOf = new Uint16Array(total);
  const turnOf = new Uint32Array(total);
  const turns = parts.map(() => 0);
  for (let place = 0; place < total; place++) {
    // The one that lags most behind its share.
    let next = 0;
    for (let p = 1; p < parts.length; p++) if (due(p, place) > due(next, place)) next = p;
    partOf[place] = next;
    turnOf[place] = turns[next]!++;
  }
  function due(p: number, place: number): number {
    return (parts[p]!.weight / weights) * (place + 1) - turns[p]!;
  }

  const random = new Random(seed).fork('mixed');
  const orders = new Map<string, Uint32Array>();
  const order = (part: MixturePart, round: number) => {
    const key = `${part.name} ${round}`;
    let found = orders.get(key);
    if (!found) {
      found = permutation(part.data.size, random.fork(part.name).fork(round));
      orders.set(key, found);
    }
    return found;
  };
  const locate = (place: number) => {
    const part = parts[partOf[place]!]!;
    const round = Math.floor(turnOf[place]! / part.data.size);
    return { part, round, index: order(part, round)[turnOf[place]! % part.data.size]! };
  };
  const rename = (name: string, id: string, round: number) => `${name}/${id}${round === 0 ? '' : `#${round + 1}`}`;
  const at = async (place: number): Promise<Example> => {
    const { part, round, index } = locate(place);
    const example = await part.data.at(index);
    return { ...example, id: rename(part.name, example.id, round), metadata: { ...example.metadata, data: part.name } };
  };
  const idAt = (place: number) => {
    const { part, round, index } = locate(place);
    return rename(part.name, part.data.ids[index]!, round);
  };
  return datasetAt(total, idAt, at);
}
