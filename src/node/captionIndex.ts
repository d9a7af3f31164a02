import { datasetAt } from '../data/dataset';
import { type Entry, isThere, type PictureSource } from '../data/layouts/entry';
import { grown, NameTable } from '../data/nameTable';
import { textHash } from '../data/textHash';
import type { Dataset, Example, Split } from '../data/types';
import type { PictureOpener } from './openPicture';
import { Spool } from './spool';

/** What is kept of an entry; `b` is the place of the record before it, of the same picture. */
type Stored = {
  c: readonly string[];
  p?: PictureSource | undefined;
  m?: Record<string, unknown> | undefined;
  a?: readonly Record<string, unknown>[] | undefined;
  b?: number;
};

export const splitNames: readonly Split[] = ['train', 'dev', 'test'];

/** How a picture is to be had; 0 is not at all. */
const [ADDRESS, THERE] = [1, 2];

/**
 * Entries of a data set by picture, in any order: their captions lie in a spool, on disk where they are many, and memory holds
 * the ids and some 40 bytes per picture.
 */
export class CaptionIndex {
  private readonly ids = new NameTable();
  private readonly spool: Spool;
  /** By number of the picture: the place of its last record. */
  private places = new Float64Array(64);
  /** By number of the picture: how many captions it has. */
  private counts = new Uint32Array(64);
  /** By number of the picture: 1 + the split that entries told (0: none), and how its picture is to be had, times 4. */
  private marks = new Uint8Array(64);
  /** By number of the picture: a hash of where it lies, to tell two pictures of one id. */
  private hashes = new Uint32Array(64);
  private total = 0;
  private pending: { index: number; record: Stored } | undefined;

  constructor(spool = new Spool()) {
    this.spool = spool;
  }

  /** Number of ids, with or without captions. */
  get size(): number {
    return this.ids.size;
  }

  /** Captions of all pictures. */
  get captions(): number {
    return this.total;
  }

  idAt(index: number): string {
    return this.ids.at(index);
  }

  indexOf(id: string): number | undefined {
    return this.ids.indexOf(id);
  }

  captionsOf(index: number): number {
    return this.counts[index]!;
  }

  hasPicture(index: number): boolean {
    return this.marks[index]! >> 2 === THERE;
  }

  /** Whether the picture has an address from which it was not downloaded. */
  isAtAddress(index: number): boolean {
    return this.marks[index]! >> 2 === ADDRESS;
  }

  /** The split that the entries told. */
  splitOf(index: number): Split | undefined {
    return splitNames[(this.marks[index]! & 3) - 1];
  }

  /**
   * Adds an entry to those of its picture.
   *
   * @returns what is odd about it, where something is
   */
  add({ id, captions, split, picture, metadata, captionMetadata }: Entry): string | undefined {
    const index = this.ids.add(id);
    this.reserve(index);
    const kind = !picture ? 0 : isThere(picture) ? THERE : ADDRESS;
    const before = this.marks[index]! >> 2;
    if (picture && kind === before && hashOf(picture) !== this.hashes[index])
      return `has another picture than the first row of ${id}; the row is left out`;
    // One that is there goes before one that lies at an address.
    const better = kind > before;
    if (better) {
      this.hashes[index] = hashOf(picture!);
      this.marks[index] = (this.marks[index]! & 3) | (kind << 2);
    }
    this.store(index, { c: captions, p: better ? picture : undefined, m: metadata, a: captionMetadata });
    return this.enterSplit(index, id, split);
  }

  /** The picture with its captions, in the order of the entries. */
  read(index: number, split: Split, opener: PictureOpener): Example {
    this.flush();
    const records: Stored[] = [];
    for (let place: number | undefined = this.places[index]!; place !== undefined && place > 0; ) {
      const record = JSON.parse(this.spool.read(place - 1)) as Stored;
      records.unshift(record);
      place = record.b;
    }
    const id = this.ids.at(index);
    const picture = records.findLast(({ p }) => p)?.p;
    const told = Object.assign({}, ...records.map(({ m }) => m).reverse()) as Record<string, unknown>;
    const about = records.flatMap(({ c, a }) => a ?? c.map(() => ({})));
    return {
      id,
      image: opener.image(picture, id),
      captions: records.flatMap(({ c }) => c),
      split,
      metadata: {
        ...told,
        ...(picture && placeOf(picture)),
        ...(records.some(({ a }) => a) && { captions: about }),
      },
    };
  }

  private enterSplit(index: number, id: string, split: Split | undefined) {
    if (split === undefined) return undefined;
    const before = this.splitOf(index);
    // The later one of train, dev, test: what is evaluated on must not be trained on.
    const now =
      before === undefined ? split : splitNames[Math.max(splitNames.indexOf(before), splitNames.indexOf(split))]!;
    this.marks[index] = (this.marks[index]! & ~3) | (splitNames.indexOf(now) + 1);
    if (before === undefined || before === split) return undefined;
    return `puts ${id} into ${split}, a row before into ${before}; it is in ${now}`;
  }

  /** Rows of one picture that follow each other become one record. */
  private store(index: number, record: Stored): void {
    this.counts[index]! += record.c.length;
    this.total += record.c.length;
    const pending = this.pending;
    if (pending?.index === index && !pending.record.a && !record.a) {
      pending.record.c = [...pending.record.c, ...record.c];
      pending.record.p = record.p ?? pending.record.p;
      if (record.m) pending.record.m = { ...record.m, ...pending.record.m };
      return;
    }
    this.flush();
    this.pending = { index, record };
  }

  private flush(): void {
    if (!this.pending) return;
    const { index, record } = this.pending;
    this.pending = undefined;
    const before = this.places[index]!;
    const place = this.spool.append(JSON.stringify(before > 0 ? { ...record, b: before } : record));
    this.places[index] = place + 1; // 0 is none
  }

  private reserve(index: number): void {
    if (index < this.places.length) return;
    this.places = grown(this.places, Float64Array);
    this.counts = grown(this.counts, Uint32Array);
    this.marks = grown(this.marks, Uint8Array);
    this.hashes = grown(this.hashes, Uint32Array);
  }
}

/** Some pictures of an index as a data set, in the order of `members`. */
export function datasetOfIndex(
  index: CaptionIndex,
  members: Uint32Array,
  split: Split,
  opener: PictureOpener,
): Dataset {
  return datasetAt(
    members.length,
    (place) => index.idAt(members[place]!),
    (place) => index.read(members[place]!, split, opener),
  );
}

/** What an example tells of where its picture lies. */
export function placeOf(picture: PictureSource): Record<string, unknown> {
  if (!isThere(picture)) return { url: picture.url };
  if ('base64' in picture) return {};
  if ('row' in picture) return { file: picture.file, row: picture.row };
  return { file: picture.file, ...('url' in picture && { url: picture.url }) };
}

function hashOf(picture: PictureSource): number {
  return textHash('base64' in picture ? picture.base64 : JSON.stringify(picture));
}
