import { type Match, MODULES } from './match';
import type { Option, Options } from './modules';

/** How many paths go on from each word. */
const BEAM_SIZE = 40;

const EXACT = MODULES.indexOf('exact');

/** The matches of a path that were chosen, newest first; fixed ones are not among them. */
type Link = { start: number; option: Option; previous: Link | undefined };

/** One way to match the words of the reference that were read so far. */
type Path = {
  /** What its chosen matches gain. */
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
 * less distance, then those that were found first. A word that is r times in the reference and c times in the candidate
 * takes up to 40 r c steps.
 */
export function search({ starts, fixed }: Options, candidateLength: number): Match[] {
  const used = new Array<number>(Math.ceil(candidateLength / 32)).fill(0);
  let paths: Path[] = [{ total: 0, chunks: 0, distance: 0, end: -1, next: 0, used, links: undefined }];
  for (let place = 0; place < starts.length; place++) {
    const options = starts[place]!;
    if (fixed[place] || options.length === 0) {
      for (const path of paths) if (path.next === place) follow(path, options[0]);
      for (let i = 1; i < paths.length; i++) moveForward(paths, i);
    } else {
      const most = mostGain(options);
      const ranked: Path[] = [];
      for (const path of paths)
        if (path.next === place) branch(path, options, most, ranked);
        else rank(path, ranked);
      paths = ranked;
    }
  }
  const matches: Match[] = [];
  for (let place = 0; place < starts.length; place++)
    if (fixed[place]) matches.push(matchOf(place, starts[place]![0]!));
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

function mostGain(options: readonly Option[]): number {
  let most = 0;
  for (const option of options) most = Math.max(most, gainOf(option));
  return most;
}

/**
 * Goes on without a choice: by the match that all paths share, whose gain and distance they share too and need not count, or
 * past a word that nothing matches.
 */
function follow(path: Path, option: Option | undefined): void {
  if (!option) {
    skip(path);
    return;
  }
  path.chunks += breaksOff(path, option);
  path.end = option.candidateStart + option.candidateLength;
  path.next += option.referenceLength;
}

function skip(path: Path): void {
  if (path.end >= 0) path.chunks++;
  path.end = -1;
  path.next++;
}

/**
 * Tries each match on a copy of the path, and then the path without any. METEOR adds the distance of a match to the path
 * that it was copied from: it counts for the later copies and for the path that skips the word, not for its own.
 */
function branch(path: Path, options: readonly Option[], most: number, ranked: Path[]): void {
  const lastInChunk = path.end < 0 ? options.length : options.findLastIndex((option) => breaksOff(path, option) === 0);
  for (let i = 0; i < options.length; i++) {
    const option = options[i]!;
    if (isUsed(path.used, option)) continue;
    // Distance only grows: where the best that may still come would not enter, nothing of this path will.
    if (!enters(path.total + most, path.chunks + (i > lastInChunk ? 1 : 0), path.distance, ranked)) return;
    const { next, distance } = path;
    const total = path.total + gainOf(option);
    const chunks = path.chunks + breaksOff(path, option);
    if (enters(total, chunks, distance, ranked)) {
      const used = withUsed(path.used, option);
      const links = { start: next, option, previous: path.links };
      const end = option.candidateStart + option.candidateLength;
      rank({ total, chunks, distance, end, next: next + option.referenceLength, used, links }, ranked);
    }
    path.distance += Math.abs(next - option.candidateStart);
  }
  skip(path);
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

/** Takes a path in where it enters, behind all that are no worse. */
function rank(path: Path, ranked: Path[]): void {
  if (!enters(path.total, path.chunks, path.distance, ranked)) return;
  const last = Math.min(ranked.length, BEAM_SIZE - 1);
  ranked[last] = path;
  moveForward(ranked, last);
}

/** Moves a path behind all before it that are no worse. */
function moveForward(paths: Path[], from: number): void {
  const path = paths[from]!;
  const { total, chunks, distance } = path;
  let at = from;
  for (; at > 0 && precedes(total, chunks, distance, paths[at - 1]!); at--) paths[at] = paths[at - 1]!;
  paths[at] = path;
}

/** The first of the best paths, whose open chunks now end. */
function best(paths: readonly Path[]): Path {
  for (const path of paths) if (path.end >= 0) path.chunks++;
  return paths.reduce((first, path) => (precedes(path.total, path.chunks, path.distance, first) ? path : first));
}

function matchOf(referenceStart: number, { module, referenceLength, candidateStart, candidateLength }: Option): Match {
  return { module, referenceStart, referenceLength, candidateStart, candidateLength };
}
