import { basename } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { DataError, UsageError } from '../core/errors';
import { withoutExamples } from '../data/cleaning';
import { findLeaks } from '../data/leaks';
import { mixed } from '../data/mixed';
import type { CaptionData } from '../data/types';

/** Data that is learned from: several folders, each with its weight. */
export type MixOptions = { dataPath: string[]; dataWeights?: number[] };

/** A data set of a mixture, for the report. */
export type MixedIn = {
  path: string;
  layout: string;
  /** Pictures to learn from that it has, and those of them that it lost because the first one is evaluated on them. */
  pictures: number;
  leftOut: number;
  weight: number;
};

/** Takes the values of an option that is given several times. */
export const severalTimes = (path: string, before: string[] | undefined): string[] => [...(before ?? []), path];

export function weightsOf(text: string): number[] {
  const weights = text.split(',').map(Number);
  if (weights.every((weight) => Number.isFinite(weight) && weight > 0)) return weights;
  throw new InvalidArgumentError('It should be numbers above 0 with commas, such as 1,0.3.');
}

/** Refuses what does not go with the number of folders, before any is read. */
export function expectMixable({ dataPath, dataWeights, ...options }: MixOptions & Record<string, unknown>): void {
  if (dataWeights && dataPath.length === 1)
    throw new UsageError('--data-weights changes nothing with one data set: give --data-path for each.');
  if (dataWeights && dataWeights.length !== dataPath.length)
    throw new UsageError(
      `--data-weights has ${dataWeights.length} weights for ${dataPath.length} data sets. Give one for each --data-path, in their order.`,
    );
  if (new Set(dataPath).size < dataPath.length)
    throw new UsageError('--data-path names a folder twice. Give it once, and a larger weight with --data-weights.');
  if (dataPath.length === 1) return;
  for (const name of ['layout', 'downloads'])
    if (options[name] !== undefined)
      throw new UsageError(`--${name} is said of one folder, but --data-path was given ${dataPath.length} times.`);
}

/**
 * Several data sets as one to learn from. What is evaluated on, dev and test, is that of the first alone; pictures of the
 * others that are called as one of those are left out.
 */
export async function mixData(
  sets: readonly CaptionData[],
  { dataPath, dataWeights }: MixOptions,
  seed: number,
): Promise<CaptionData & { mixture: MixedIn[] }> {
  const first = sets[0]!;
  const bare = dataPath.map((path) => basename(path));
  const names = new Set(bare).size < bare.length ? dataPath : bare;
  const evaluated = { dev: first.dev, test: first.test };
  const parts = await Promise.all(
    sets.map(async ({ train, layout }, place) => {
      const path = dataPath[place]!;
      const about = { path, layout, weight: dataWeights?.[place] ?? 1 };
      const leaked = new Set<string>();
      if (place > 0) {
        const { leaks } = await findLeaks({ ...evaluated, train }, { distance: false });
        for (const { first, second } of leaks)
          if (second.part === 'train' && first.part !== 'train') leaked.add(second.id);
      }
      const data = leaked.size === 0 ? train : withoutExamples(train, leaked);
      if (data.size === 0)
        throw new DataError(
          `${path} has no picture to learn from${leaked.size > 0 ? ` that ${dataPath[0]} is not evaluated on` : ''}. Leave it out.`,
        );
      return { ...about, name: names[place]!, data, pictures: data.size, leftOut: leaked.size };
    }),
  );
  const sum = (of: (set: CaptionData) => number) => sets.reduce((total, set) => total + of(set), 0);
  return {
    ...first,
    layout: [...new Set(sets.map(({ layout }) => layout))].join(' + '),
    train: mixed(parts, { seed }),
    found: { captions: sum(({ found }) => found.captions), pictures: sum(({ found }) => found.pictures) },
    problems: sets.flatMap(({ problems }) => problems),
    mixture: parts.map(({ name: _, data: __, ...about }) => about),
  };
}
