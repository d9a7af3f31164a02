import { ImageTextIndex } from '../src/retrieval/imageTextIndex';
import type { VectorItem } from '../src/retrieval/types';

export type IndexTimes = {
  buildSeconds: number;
  /** Of one search each. */
  milliseconds: number[];
  /** How many of the checked queries gave what brute force in float64 gives, ids and order. */
  checked: number;
  same: number;
};

const TOP = 10;

/** Numbers with a bell-shaped distribution, quickly: the sum of the four bytes of a draw (xorshift32). */
export function drawer(seed: number): (size: number) => Float32Array {
  let state = seed;
  return (size) =>
    new Float32Array(size).map(() => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state & 255) + ((state >>> 8) & 255) + ((state >>> 16) & 255) + (state >>> 24) - 510;
    });
}

export function* items(count: number, size: number, seed: number): Generator<VectorItem> {
  const draw = drawer(seed);
  for (let i = 0; i < count; i++) yield { id: `${i}`, vector: draw(size) };
}

/** Vectors that lie near a space of 32 dimensions, as those of models do, which leaves an approximate index something to follow. */
export function* structured(
  count: number,
  size: number,
  seed: number,
): Generator<VectorItem & { vector: Float32Array }> {
  const draw = drawer(1);
  const axes = Array.from({ length: 32 }, () => draw(size));
  const drawPlace = drawer(seed);
  for (let i = 0; i < count; i++) {
    const place = drawPlace(axes.length);
    const vector = drawPlace(size).map((value) => value * 50);
    for (const [a, axis] of axes.entries()) for (let j = 0; j < size; j++) vector[j]! += place[a]! * axis[j]!;
    yield { id: `${i}`, vector };
  }
}

/** Vectors in clusters of some hundred, as the pictures of an event or of a product are. */
export function* clustered(count: number, size: number, seed: number): Generator<VectorItem> {
  const draw = drawer(seed);
  const centres = Array.from({ length: Math.ceil(count / 300) }, () => draw(size));
  for (let i = 0; i < count; i++) {
    const centre = centres[i % centres.length]!;
    yield { id: `${i}`, vector: draw(size).map((value, j) => centre[j]! + 0.5 * value) };
  }
}

/** The ids of the largest cosines in float64, looked at one after the other. */
export function bruteForce(index: ImageTextIndex, query: Float32Array, top: number): string[] {
  const best: { id: string; score: number }[] = [];
  for (const id of index.ids) {
    const { vector } = index.get(id)!;
    let score = 0;
    for (let i = 0; i < vector.length; i++) score += vector[i]! * query[i]!;
    if (best.length === top && score <= best[top - 1]!.score) continue;
    best.push({ id, score });
    best.sort((a, b) => b.score - a.score);
    best.length = Math.min(best.length, top);
  }
  return best.map(({ id }) => id);
}

/** Builds an index of random vectors, asks it, and compares some answers with brute force. */
export async function timeIndex(count: number, size: number, queries: number, checks: number): Promise<IndexTimes> {
  const began = performance.now();
  const index = await ImageTextIndex.build(items(count, size, 12_345), { batchSize: 4096 });
  const buildSeconds = (performance.now() - began) / 1000;
  const draw = drawer(777);
  const asked = Array.from({ length: queries }, () => draw(size));
  const milliseconds: number[] = [];
  const found: string[][] = [];
  for (const vector of asked) {
    const start = performance.now();
    const results = await index.search({ vector }, { top: TOP });
    milliseconds.push(performance.now() - start);
    found.push(results.map(({ id }) => id));
  }
  const same = asked
    .slice(0, checks)
    .filter((query, i) => bruteForce(index, query, TOP).join() === found[i]!.join()).length;
  return { buildSeconds, milliseconds, checked: checks, same };
}
