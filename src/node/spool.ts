import { randomUUID } from 'node:crypto';
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataError } from '../core/errors';

const MEMORY = 32 * 2 ** 20;
const BLOCK = 2 ** 20;

/** Closes the files of spools that nobody holds any more. */
const forgotten = new FinalizationRegistry((file: number) => closeSync(file));

/**
 * Text records, appended once and read by their place. The first 32 MiB stay in memory; what is more goes to a file in the
 * system's temporary folder, which has no name any more and goes with the process.
 *
 * Reads are synchronous: they come out of memory, or out of what the system has just written.
 */
export class Spool {
  private written = new Uint8Array(64 * 1024);
  private end = 0;
  /** Bytes that lie in the file; those after them are in `written`. */
  private inFile = 0;
  private file: number | undefined;
  private block = { start: 0, bytes: new Uint8Array() };

  /** @param memory - bytes that are kept in memory */
  constructor(private readonly memory = MEMORY) {}

  /** Bytes of all records. */
  get size(): number {
    return this.end;
  }

  /** The place of the record, to be read from. */
  append(text: string): number {
    const bytes = Buffer.from(text);
    const needed = bytes.length + 4;
    const most = this.file === undefined ? this.memory : BLOCK;
    if (this.end - this.inFile + needed > Math.max(most, needed)) this.flush();
    while (this.end - this.inFile + needed > this.written.length) {
      const larger = new Uint8Array(this.written.length * 2);
      larger.set(this.written);
      this.written = larger;
    }
    const place = this.end;
    const at = place - this.inFile;
    new DataView(this.written.buffer).setUint32(at, bytes.length, true);
    this.written.set(bytes, at + 4);
    this.end += needed;
    return place;
  }

  read(place: number): string {
    const length = Buffer.from(this.bytes(place, 4)).readUInt32LE();
    return Buffer.from(this.bytes(place + 4, length)).toString();
  }

  private bytes(from: number, length: number): Uint8Array {
    if (from >= this.inFile) return this.written.subarray(from - this.inFile, from - this.inFile + length);
    const { start, bytes } = this.block;
    if (from >= start && from + length <= start + bytes.length)
      return bytes.subarray(from - start, from - start + length);
    // Records are mostly read one after the other, or else anywhere: then a small read does.
    const next = from >= start && from <= start + bytes.length;
    const size = Math.min(this.inFile - from, Math.max(length, next ? BLOCK : 4096));
    const read = new Uint8Array(size);
    const got = readSync(this.file!, read, 0, size, from);
    if (got < length) throw new DataError('The temporary file of the data set was cut off. Load the data again.');
    this.block = { start: from, bytes: read.subarray(0, got) };
    return read.subarray(0, length);
  }

  /** What is in memory goes to the file; from then on a block at most is kept before it goes there. */
  private flush(): void {
    const bytes = this.written.subarray(0, this.end - this.inFile);
    try {
      this.file ??= this.openFile();
      for (let done = 0; done < bytes.length; )
        done += writeSync(this.file, bytes, done, bytes.length - done, this.inFile + done);
    } catch (cause) {
      throw new DataError(
        `Captions cannot be kept in ${tmpdir()}: ${(cause as Error).message}. Make room there, or set TMPDIR to another folder.`,
        { cause },
      );
    }
    this.inFile = this.end;
    this.written = new Uint8Array(BLOCK);
  }

  private openFile(): number {
    const path = join(tmpdir(), `captions-${randomUUID()}`);
    const file = openSync(path, 'wx+', 0o600);
    forgotten.register(this, file);
    unlinkSync(path);
    return file;
  }
}
