import { bitsIn, HASH_WORDS, hashDistance } from './perceptualHash';

/** Eight bits each. Two hashes that differ in fewer bits than there are bands agree in one of them. */
export const BANDS = 16;

/** So many hashes are compared with one another and not looked at further. */
const FEW = 48;

export type AlikePair = { a: number; b: number; distance: number };

/**
 * Pairs of hashes that are no further apart than `distance`, by the first and then the second. Exact, and found without comparing all of them: those that
 * agree in a band are looked at together; where they are many, since pictures with an empty background agree there, those among them that
 * agree in another, and so on, for as many as must agree.
 *
 * @param hashes - four words each
 * @param distance - below 16
 * @param counts - whether a pair is looked for
 * @see Norouzi, Punjani and Fleet 2012, "Fast Search in Hamming Space with Multi-Index Hashing", https://arxiv.org/abs/1307.2982; there
 * agreement in one band is all that is asked for
 */
export function alike(hashes: Uint32Array, distance: number, counts: (a: number, b: number) => boolean): AlikePair[] {
  const pairs: AlikePair[] = [];
  compareNear(hashes, structured(hashes, distance), distance, (a, b) => {
    if (!counts(a, b)) return;
    const apart = distanceAt(hashes, a, b);
    if (apart <= distance) pairs.push({ a, b, distance: apart });
  });
  return inOrder(pairs);
}

/** Of each hash that is alike one before it the first such, by their places; many that are the same do not make it slow. */
export function firstAlike(hashes: Uint32Array, distance: number): { a: number; b: number }[] {
  const same = new Map<string, number[]>();
  for (const place of structured(hashes, distance)) {
    const key = at(hashes, place).join();
    const others = same.get(key);
    if (others) others.push(place);
    else same.set(key, [place]);
  }
  const groups = new Map([...same.values()].map((places) => [places[0]!, places]));
  /** By the first of those that are the same: the first of all that are alike. */
  const least = new Map<number, number>();
  compareNear(hashes, Uint32Array.from(groups.keys()), distance, (a, b) => {
    if (distanceAt(hashes, a, b) > distance) return;
    least.set(a, Math.min(least.get(a) ?? a, b));
    least.set(b, Math.min(least.get(b) ?? b, a));
  });
  const found: { a: number; b: number }[] = [];
  for (const [own, places] of groups) {
    const first = Math.min(own, least.get(own) ?? own);
    for (const b of places) if (b > first) found.push({ a: first, b });
  }
  return inOrder(found);
}

const at = (hashes: Uint32Array, place: number) => hashes.subarray(place * HASH_WORDS, (place + 1) * HASH_WORDS);

const inOrder = <T extends { a: number; b: number }>(pairs: T[]) => pairs.sort((x, y) => x.a - y.a || x.b - y.b);

/** The places of hashes of pictures that have some structure: plain ones look the same. */
function structured(hashes: Uint32Array, distance: number): Uint32Array {
  return Uint32Array.from({ length: hashes.length / HASH_WORDS }, (_, place) => place).filter((place) => {
    const bits = hashDistance(at(hashes, place), [0, 0, 0, 0]);
    return bits > distance + 4 && bits < 128 - distance - 4;
  });
}

function distanceAt(hashes: Uint32Array, a: number, b: number): number {
  let distance = 0;
  for (let word = 0; word < HASH_WORDS; word++)
    distance += bitsIn(hashes[a * HASH_WORDS + word]! ^ hashes[b * HASH_WORDS + word]!);
  return distance;
}

/** Calls `compare` once for each pair that can be near, the lower place first. */
function compareNear(
  hashes: Uint32Array,
  all: Uint32Array,
  distance: number,
  compare: (a: number, b: number) => void,
): void {
  const band = (place: number, number: number) =>
    (hashes[place * HASH_WORDS + (number >> 2)]! >>> ((number & 3) * 8)) & 255;

  /** Whether bands before `next` in which two agree are `agreed` and no others: on any other way they are met too. */
  const meetHere = (a: number, b: number, next: number, agreed: number) => {
    for (let number = 0; number < next; number++)
      if ((band(a, number) === band(b, number)) !== ((agreed >> number) % 2 === 1)) return false;
    return true;
  };

  /** Hashes that agree in the bands of `agreed`, all before `next`, and may still differ in `spare` of the others. */
  const look = (places: Uint32Array, next: number, agreed: number, spare: number): void => {
    if ((places.length <= FEW && agreed !== 0) || next + spare >= BANDS) {
      for (let i = 0; i < places.length; i++)
        for (let j = i + 1; j < places.length; j++)
          if (meetHere(places[i]!, places[j]!, next, agreed)) compare(places[i]!, places[j]!);
      return;
    }
    for (let number = next; number <= next + spare; number++)
      for (const bucket of split(places, (place) => band(place, number)))
        look(bucket, number + 1, agreed | (1 << number), spare - (number - next));
  };
  look(all, 0, 0, distance);
}

/** Places with the same byte together, in their order, where there are two of them or more. */
function split(places: Uint32Array, byteOf: (place: number) => number): Uint32Array[] {
  const ends = new Uint32Array(257);
  for (const place of places) ends[byteOf(place) + 1]!++;
  for (let byte = 0; byte < 256; byte++) ends[byte + 1]! += ends[byte]!;
  const starts = ends.slice(0, 256);
  const sorted = new Uint32Array(places.length);
  for (const place of places) sorted[starts[byteOf(place)]!++] = place;
  const found: Uint32Array[] = [];
  for (let byte = 0; byte < 256; byte++)
    if (ends[byte + 1]! - ends[byte]! > 1) found.push(sorted.subarray(ends[byte]!, ends[byte + 1]!));
  return found;
}
