/**
 * Steps in a row that are computed for the same captions: `slots` captions of each of some images, image by image, so
 * that attention can look at them as a rectangle. Some of them may have ended already; what they give is never used.
 */
export type Block = {
  /** Which images, in their order; absent where it is all of them. */
  images: Int32Array | undefined;
  slots: number;
  /** Which captions, `slots` for each image. */
  rows: Int32Array;
  /** The first step, and the one after the last. */
  begin: number;
  end: number;
};

export type Packing = {
  /** Captions in all. */
  rows: number;
  blocks: Block[];
  /** row * time + t of everything that is computed, step by step. */
  places: Int32Array;
  /** Where each row * time + t lies in `places`, or `places.length` where the caption has ended. */
  placeOf: Int32Array;
};

/** Features are copied for those images that go on only when at least this part of the images has ended. */
const WORTH_COPYING = 0.25;

/**
 * Which captions every step is computed for, so that captions that have ended cost little: before each step those are
 * left out that have, as far as a rectangle of images and captions of each allows.
 *
 * @param lengths - steps that are wanted of each caption, those of one image together
 */
export function packing(lengths: ArrayLike<number>, images: number, time: number): Packing {
  const perImage = lengths.length / images;
  /** The captions of every image, longest first. */
  const captions = Array.from({ length: images }, (_, image) =>
    Array.from({ length: perImage }, (_, i) => image * perImage + i).sort((a, b) => lengths[b]! - lengths[a]!),
  );
  const blocks: Block[] = [];
  let going = captions;
  let slots = perImage;
  for (let t = 0; t < time; t++) {
    const left = going.filter(([longest]) => lengths[longest!]! > t);
    // Where none goes on, there is nothing left to compute; the first step is always computed.
    if (left.length === 0 && t > 0) break;
    const fewer = t > 0 && left.length <= going.length * (1 - WORTH_COPYING) ? left : going;
    const needed = t === 0 ? perImage : Math.max(...left.map((rows) => rows.filter((row) => lengths[row]! > t).length));
    const last = blocks.at(-1);
    if (last && fewer === going && needed === slots) {
      last.end = t + 1;
      continue;
    }
    [going, slots] = [fewer, needed];
    blocks.push({
      images: going.length === images ? undefined : Int32Array.from(going, ([row]) => Math.floor(row! / perImage)),
      slots,
      rows: Int32Array.from(going.flatMap((rows) => rows.slice(0, slots))),
      begin: t,
      end: t + 1,
    });
  }
  const places = Int32Array.from(
    blocks.flatMap(({ rows, begin, end }) =>
      Array.from({ length: end - begin }, (_, i) => [...rows].map((row) => row * time + begin + i)).flat(),
    ),
  );
  const placeOf = new Int32Array(lengths.length * time).fill(places.length);
  for (const [at, place] of places.entries())
    if (place % time < lengths[Math.floor(place / time)]!) placeOf[place] = at;
  return { rows: lengths.length, blocks, places, placeOf };
}

/** Where each of `rows` is among `before`; `before.length` for one that is not there. */
export function positionsIn(before: Int32Array, rows: Int32Array): Int32Array {
  const at = new Map([...before].map((row, position) => [row, position]));
  return rows.map((row) => at.get(row) ?? before.length);
}
