import { UsageError } from '../core/errors';
import { alike, BANDS } from './alike';
import { NameTable } from './nameTable';
import { HASH_WORDS, perceptualHash } from './perceptualHash';
import { toPixels } from './pixels';
import { ahead } from './streams';
import type { Dataset, Problem } from './types';

/** A picture that is in two parts which must not share any. */
export type Leak = {
  first: { part: string; id: string };
  second: { part: string; id: string };
  /** `id`: they are called the same; `picture`: they look the same, `distance` bits of 128 apart. */
  kind: 'id' | 'picture';
  distance?: number;
};

export type LeakOptions = {
  /** What is the same picture if it is the same; by default the id without folder and extension, in any case. */
  keyOf?: (id: string) => string;
  /**
   * Bits of 128 in which two pictures that look the same may differ, up to 15; `false` opens no picture. By default 6: on Flickr8k
   * 99 % of pictures are within 6 after they were made a third smaller and saved as JPEG of quality 50, and none of another picture
   * came nearer than 25.
   */
  distance?: number | false;
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
};

/**
 * Pictures that are in more than one part, such as the splits of a data set, or a data set to be trained on and one to be evaluated
 * on: by their ids and, opening all of them, by how they look. Holds the ids and 16 bytes per picture.
 *
 * Pictures without structure, such as plain ones, look the same and are not compared.
 */
export async function findLeaks(
  parts: Readonly<Record<string, Dataset>>,
  { keyOf = bareName, distance = 6, onProgress, signal }: LeakOptions = {},
): Promise<{ leaks: Leak[]; problems: Problem[] }> {
  if (distance !== false && !(Number.isInteger(distance) && distance >= 0 && distance < BANDS))
    throw new UsageError(`distance is ${distance} but should be a whole number from 0 to ${BANDS - 1}, or false.`);
  const names = Object.keys(parts);
  const leaks: Leak[] = [];
  const problems: Problem[] = [];
  const keys = names.map(() => new NameTable());
  for (const [p, name] of names.entries())
    for (const [index, id] of parts[name]!.ids.entries()) {
      const key = keyOf(id);
      for (let other = 0; other < p; other++) {
        const found = keys[other]!.indexOf(key);
        if (found === undefined) continue;
        const otherName = names[other]!;
        leaks.push({
          first: { part: otherName, id: idOfKey(parts[otherName]!, key, keyOf) },
          second: { part: name, id },
          kind: 'id',
        });
      }
      keys[p]!.add(key);
      if (index % 10_000 === 0) signal?.throwIfAborted();
    }
  if (distance === false) return { leaks, problems };

  const total = names.reduce((sum, name) => sum + parts[name]!.size, 0);
  const hashes = new Uint32Array(total * HASH_WORDS);
  const starts: number[] = [];
  let done = 0;
  for (const name of names) {
    starts.push(done);
    const hashed = ahead(parts[name]!, 8, async ({ id, image }) => {
      try {
        return perceptualHash(await toPixels(await image()));
      } catch (error) {
        problems.push({ where: id, problem: (error as Error).message });
        return undefined;
      }
    });
    for await (const hash of hashed) {
      signal?.throwIfAborted();
      if (hash) hashes.set(hash, done * HASH_WORDS);
      done++;
      onProgress?.(done, total);
    }
  }
  const partOf = (place: number) => names[starts.findLastIndex((start) => start <= place)]!;
  const named = (place: number) => {
    const part = partOf(place);
    return { part, id: parts[part]!.ids[place - starts[names.indexOf(part)]!]! };
  };
  for (const { a, b, distance: apart } of alike(hashes, distance, (a, b) => partOf(a) !== partOf(b)))
    leaks.push({ first: named(a), second: named(b), kind: 'picture', distance: apart });
  return { leaks, problems };
}

function bareName(id: string): string {
  return id
    .slice(id.lastIndexOf('/') + 1)
    .replace(/\.[a-z]{3,4}$/i, '')
    .toLowerCase();
}

function idOfKey({ ids }: Dataset, key: string, keyOf: (id: string) => string): string {
  return ids.find((id) => keyOf(id) === key)!;
}
