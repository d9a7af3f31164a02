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
  return datasetAt(
    records.length,
    (place) => ids[place]!,
    (place) => exampleOf(records[place]!),
  );
}

/** A data set whose examples are made when they are asked for, by their places from 0 to below `size`. */
export function datasetAt(
  size: number,
  idAt: (place: number) => string,
  read: (place: number) => Example | Promise<Example>,
): Dataset {
  let ids: readonly string[] | undefined;
  return {
    size,
    get ids() {
      ids ??= Array.from({ length: size }, (_, place) => idAt(place));
      return ids;
    },
    async at(place) {
      if (Number.isInteger(place) && place >= 0 && place < size) return read(place);
      throw new RangeError(`There is no example ${place}: the data set has ${size}, counted from 0.`);
    },
    async *captions() {
      for (let place = 0; place < size; place++) yield* (await read(place)).captions;
    },
    async *[Symbol.asyncIterator]() {
      for (let place = 0; place < size; place++) yield await read(place);
    },
  };
}

/** Shares of `dev` and `test` of the pictures, in [0, 1); a share above 0 gives at least one picture. */
export type SplitShares = { dev: number; test: number };

/**
 * Splits pictures, not captions, so that no picture is seen in two splits. Depends on the seed and on the ids, not on
 * their order.
 *
 * @param shares - `dev` and `test` as shares of the pictures in [0, 1); a share above 0 gives at least one picture
 * @returns the ids of each split, in the order of `ids`
 */
export function splitByPicture(
  ids: readonly string[],
  { random, ...shares }: SplitShares & { random: Random },
): Record<Split, string[]> {
  const drawn = drawSplits(ids.length, (index) => ids[index]!, { ...shares, random });
  const idsOf = (split: Split) => ids.filter((_, index) => drawn(index) === split);
  return { train: idsOf('train'), dev: idsOf('dev'), test: idsOf('test') };
}

/** `splitByPicture` for ids that are numbered from 0 and not held in a list: in 9 bytes per picture. */
export function drawSplits(
  count: number,
  idAt: (index: number) => string,
  { dev, test, random }: SplitShares & { random: Random },
): (index: number) => Split {
  expectShares({ dev, test });
  const size = (share: number) => (share > 0 ? Math.max(1, Math.round(share * count)) : 0);
  const [devSize, testSize] = [size(dev), size(test)];
  if (devSize + testSize >= count)
    throw new DataError(
      `${count} pictures cannot be split into train, ${devSize} for dev and ${testSize} for test. ` +
        'Add pictures or lower the shares.',
    );
  const ranks = Uint32Array.from({ length: count }, (_, index) => random.fork(idAt(index)).seed);
  const order = new Uint32Array(count)
    .map((_, index) => index)
    .sort((a, b) => ranks[a]! - ranks[b]! || (idAt(a) < idAt(b) ? -1 : 1));
  const codes = new Uint8Array(count);
  order.subarray(0, devSize).forEach((index) => {
    codes[index] = 1;
  });
  order.subarray(devSize, devSize + testSize).forEach((index) => {
    codes[index] = 2;
  });
  return (index) => (['train', 'dev', 'test'] as const)[codes[index]!]!;
}

/** The split of a picture by its id and the seed alone, for streams, whose length nobody knows: shares hold on average. */
export function splitOfPicture(id: string, { dev, test, random }: SplitShares & { random: Random }): Split {
  const drawn = random.fork(id).seed / 2 ** 31;
  return drawn < dev ? 'dev' : drawn < dev + test ? 'test' : 'train';
}

/** @throws UsageError where shares cannot be meant */
export function expectShares({ dev, test }: SplitShares): void {
  for (const [name, share] of Object.entries({ dev, test }))
    if (!(share >= 0 && share < 1)) throw new UsageError(`The share of ${name} is ${share} but should be in [0, 1).`);
  if (dev + test >= 1)
    throw new UsageError(`dev and test take ${dev + test} of the pictures, which leaves none to train on.`);
}
