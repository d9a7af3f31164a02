import { createHash } from 'node:crypto';
import { appendFile, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { NameTable } from '../data/nameTable';
import type { Store } from '../io/types';
import { directory } from './directory';
import { fileLines } from './fileBytes';

/** A line of the index: where the picture of an address lies, or why there is none. */
const line = v.union([
  v.object({ url: v.string(), file: v.string() }),
  v.object({ url: v.string(), failed: v.string() }),
]);

/**
 * Pictures that were downloaded, by address: each is kept once, under the SHA-256 of its bytes, whatever number of addresses it has.
 * `index.jsonl` grows by a line per address, written after its picture, so that work goes on where it was stopped.
 */
export class PictureCache {
  private readonly urls = new NameTable();
  private readonly files = new NameTable();
  /** By the number of the address: 1 + the number of its file, or -1 where there is none for good. */
  private readonly found: number[] = [];
  private readonly failures = new Map<number, string>();
  private readonly store: Store;

  private constructor(readonly folder: string) {
    this.store = directory(folder);
  }

  /** Opens the folder, which need not be there. Lines that a crash left half-written count for nothing. */
  static async open(folder: string): Promise<PictureCache> {
    const cache = new PictureCache(folder);
    const index = join(folder, 'index.jsonl');
    if (!(await stat(index).catch(() => undefined))) return cache;
    for await (const lines of fileLines(index))
      for (const { text } of lines) {
        const read = v.safeParse(v.pipe(v.string(), v.parseJson(), line), text);
        if (!read.success) continue;
        if ('file' in read.output) cache.enter(read.output.url, read.output.file);
        else cache.enterFailure(read.output.url, read.output.failed);
      }
    return cache;
  }

  /** Where the picture of an address is: in the folder, or nowhere but at its address. */
  source(url: string): { file: string; url: string } | { url: string } {
    const file = this.found[this.urls.indexOf(url) ?? -1];
    return file !== undefined && file > 0 ? { file: join(this.folder, this.files.at(file - 1)), url } : { url };
  }

  /** Whether a picture is there, or was found not to be had. */
  isSettled(url: string): boolean {
    return this.urls.has(url);
  }

  /** Keeps a picture. @param extension - such as `jpg` */
  async put(url: string, bytes: Uint8Array, extension: string): Promise<void> {
    const hash = createHash('sha256').update(bytes).digest('hex');
    const file = `${hash.slice(0, 2)}/${hash}.${extension}`;
    if (!this.files.has(file)) await this.store.write(file, bytes);
    await this.note({ url, file });
    this.enter(url, file);
  }

  /** Remembers that the picture of an address is not to be had, so that it is not asked for again. */
  async fail(url: string, failed: string): Promise<void> {
    await this.note({ url, failed });
    this.enterFailure(url, failed);
  }

  /** Why there is no picture of an address, where that was found out. */
  failureOf(url: string): string | undefined {
    return this.failures.get(this.urls.indexOf(url) ?? -1);
  }

  private enter(url: string, file: string): void {
    const index = this.urls.add(url);
    this.found[index] = this.files.add(file) + 1;
    this.failures.delete(index);
  }

  private enterFailure(url: string, reason: string): void {
    const index = this.urls.add(url);
    this.found[index] = -1;
    this.failures.set(index, reason);
  }

  private async note(told: v.InferOutput<typeof line>): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    // A line that a crash cut in half must not swallow this one.
    await appendFile(join(this.folder, 'index.jsonl'), `\n${JSON.stringify(told)}`);
  }
}
