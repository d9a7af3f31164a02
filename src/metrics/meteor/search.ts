import { type Match, MODULES } from './match';
import type { Option, Options } from './modules';

/** How many paths go on from each word. */
const BEAM_SIZE = 40;

const EXACT = MODULES.indexOf('exact');

/** The matches of a path that were chosen, newest first; fixed ones are not among them. */
type Link = { start: number; option: Option; previous: Link | undefined };

/** One way to match the words of the reference that were read so far. */
type Path = {
  /** What its matches gain, fixed ones included. */
  total: number;
  /** Chunks that have ended. */
  chunks: number;
  distance: number;
  /** Where the latest match ends in the candidate, -1 where a word was skipped since. */
  end: number;
  /** The word of the reference to go on with. */
  next: number;
  /** Words of the candidate that are taken, 32 in an entry; shared with other paths and so never changed. */
  used: readonly number[];
  links: Link | undefined;
};

/**
 * METEOR's beam search over the words of the reference: paths with a larger total first, then with fewer chunks, then with
 * less distance, then those that were found first. Time grows with the lengths of both sentences: of a word that is r times
 * in the one and c times in the other with 40 r c.
 */
export function search({ starts, fixed }: Options, candidateLength: number): Match[] {
  const used = new Array<number>(Math.ceil(candidateLength / 32)).fill(0);
  let paths: Path[] = [{ total: 0, chunks: 0, distance: 0, end: -1, next: 0, used, links: undefined }];
  for (const [place, options] of starts.entries()) {
    const ranked: Path[] = [];
    const most = options.reduce((gain, option) => Math.max(gain, gainOf(option)), 0);
    for (const path of paths) {
      if (path.next > place) rank(path, ranked);
      else if (fixed[place]) rank(follow(path, place, options[0]!), ranked);
      else branch(path, place, options, most, ranked);
    }
    paths = ranked;
  }
  const matches = starts.flatMap((options, place) => (fixed[place] ? [matchOf(place, options[0]!)] : []));
  for (let link = best(paths).links; link; link = link.previous) matches.push(matchOf(link.start, link.option));
  return matches.sort((a, b) => a.referenceStart - b.referenceStart);
}

/**
 * What a match adds to the total: its words on both sides, of which all but exact ones count half. METEOR cuts the half off
 * at every match, so that a single stem or synonym gains nothing, and is dropped where it would cost a chunk.
 */
function gainOf({ module, referenceLength, candidateLength }: Option): number {
  return module === EXACT ? referenceLength + candidateLength : (referenceLength >> 1) + (candidateLength >> 1);
}

/** A path on which all agree. */
function follow(path: Path, place: number, option: Option): Path {
  path.total += gainOf(option);
  path.chunks += breaksOff(path, option);
  path.distance += Math.abs(place - option.candidateStart);
  path.end = option.candidateStart + option.candidateLength;
  path.next = place + option.referenceLength;
  return path;
}

/**
 * Tries each match on a copy of the path, and then the path without any. METEOR adds the distance of a match to the path
 * that it was copied from: it counts for the later copies and for the path that skips the word, not for its own.
 */
function branch(path: Path, place: number, options: readonly Option[], most: number, ranked: Path[]): void {
  for (const option of options) {
    // Distance only grows: where not even the best match could enter here, nothing after it will.
    if (!enters(path.total + most, path.chunks, path.distance, ranked)) return;
    if (isUsed(path.used, option)) continue;
    const total = path.total + gainOf(option);
    const chunks = path.chunks + breaksOff(path, option);
    if (enters(total, chunks, path.distance, ranked))
      rank(
        {
          total,
          chunks,
          distance: path.distance,
          end: option.candidateStart + option.candidateLength,
          next: place + option.referenceLength,
          used: withUsed(path.used, option),
          links: { start: place, option, previous: path.links },
        },
        ranked,
      );
    path.distance += Math.abs(place - option.candidateStart);
  }
  if (path.end >= 0) path.chunks++;
  path.end = -1;
  path.next = place + 1;
  rank(path, ranked);
}

/** 1 where the match ends the chunk that the path is in. */
function breaksOff({ end }: Path, { candidateStart }: Option): number {
  return end >= 0 && candidateStart !== end ? 1 : 0;
}

function isUsed(used: readonly number[], { candidateStart, candidateLength }: Option): boolean {
  for (let place = candidateStart; place < candidateStart + candidateLength; place++)
    if ((used[place >> 5]! >> (place & 31)) & 1) return true;
  return false;
}

function withUsed(used: readonly number[], { candidateStart, candidateLength }: Option): number[] {
  const more = used.slice();
  for (let place = candidateStart; place < candidateStart + candidateLength; place++)
    more[place >> 5]! |= 1 << (place & 31);
  return more;
}

function precedes(total: number, chunks: number, distance: number, other: Path): boolean {
  if (total !== other.total) return total > other.total;
  if (chunks !== other.chunks) return chunks < other.chunks;
  return distance < other.distance;
}

function enters(total: number, chunks: number, distance: number, ranked: readonly Path[]): boolean {
  return ranked.length < BEAM_SIZE || precedes(total, chunks, distance, ranked[BEAM_SIZE - 1]!);
}

/** Puts a path behind all that are no worse, where it enters. */
function rank(path: Path, ranked: Path[]): void {
  const { total, chunks, distance } = path;
  if (!enters(total, chunks, distance, ranked)) return;
  let at = Math.min(ranked.length, BEAM_SIZE - 1);
  for (; at > 0 && precedes(total, chunks, distance, ranked[at - 1]!); at--) ranked[at] = ranked[at - 1]!;
  ranked[at] = path;
}

/** The first of the best paths, whose open chunks now end. */
function best(paths: readonly Path[]): Path {
  for (const path of paths) if (path.end >= 0) path.chunks++;
  return paths.reduce((first, path) => (precedes(path.total, path.chunks, path.distance, first) ? path : first));
}

function matchOf(referenceStart: number, { module, referenceLength, candidateStart, candidateLength }: Option): Match {
  return { module, referenceStart, referenceLength, candidateStart, candidateLength };
}
