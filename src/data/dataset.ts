import { DataError, UsageError } from '../core/errors';
import type { Random } from '../core/random';
import type { Dataset, Example, Image, Split } from './types';

/** An example without its picture: small enough to keep a whole data set of them. */
export type CaptionRecord = {
  id: string;
  captions: readonly string[];
  split: Split;
  metadata?: Record<string, unknown>;
};

/**
 * A data set over records in memory whose pictures are opened when asked for.
 *
 * @param open - reads the picture of a record; called each time that it is asked for
 * @throws DataError where two records have one id
 */
export function datasetOf<R extends CaptionRecord>(
  records: readonly R[],
  open: (record: R) => Promise<Image>,
): Dataset {
  const ids = records.map(({ id }) => id);
  const repeated = ids.length === new Set(ids).size ? undefined : ids.find((id, index) => ids.indexOf(id) !== index);
  if (repeated !== undefined) throw new DataError(`Two examples are called ${repeated}. Give each picture its own id.`);
  const exampleOf = (record: R): Example => ({
    id: record.id,
    image: () => open(record),
    captions: [...record.captions],
    split: record.split,
    ...(record.metadata && { metadata: record.metadata }),
  });
  return {
    size: records.length,
    ids,
    async at(index) {
      const record = records[index];
      if (record) return exampleOf(record);
      throw new RangeError(`There is no example ${index}: the data set has ${records.length}, counted from 0.`);
    },
    async *captions() {
      for (const { captions } of records) yield* captions;
    },
    async *[Symbol.asyncIterator]() {
      for (const record of records) yield exampleOf(record);
    },
  };
}

/**
 * Splits pictures, not captions, so that no picture is seen in two splits. Depends on the seed and on the ids, not on
 * their order.
 *
 * @param shares - `dev` and `test` as shares of the pictures in [0, 1); a share above 0 gives at least one picture
 * @returns the ids of each split, in the order of `ids`
 */
export function splitByPicture(
  ids: readonly string[],
  { dev, test, random }: { dev: number; test: number; random: Random },
): Record<Split, string[]> {
  for (const [name, share] of Object.entries({ dev, test }))
    if (!(share >= 0 && share < 1)) throw new UsageError(`The share of ${name} is ${share} but should be in [0, 1).`);
  const count = (share: number) => (share > 0 ? Math.max(1, Math.round(share * ids.length)) : 0);
  const [devSize, testSize] = [count(dev), count(test)];
  if (devSize + testSize >= ids.length)
    throw new DataError(
      `${ids.length} pictures cannot be split into train, ${devSize} for dev and ${testSize} for test. ` +
        'Add pictures or lower the shares.',
    );
  const drawn = ids
    .map((id) => ({ id, rank: random.fork(id).seed }))
    .sort((a, b) => a.rank - b.rank || (a.id < b.id ? -1 : 1));
  const splitOf = new Map<string, Split>(
    drawn.map(({ id }, place) => [id, place < devSize ? 'dev' : place < devSize + testSize ? 'test' : 'train']),
  );
  const idsOf = (split: Split) => ids.filter((id) => splitOf.get(id) === split);
  return { train: idsOf('train'), dev: idsOf('dev'), test: idsOf('test') };
}
