/** Smaller arrays come from and go to JavaScript's own memory. */
const SMALLEST = 16 * 1024;
/** How much more than what is in use may be kept for later, as a share of the most that was in use. */
const SPARE = 0.25;

/**
 * Memory for tensors that is used again. A fresh array of 100 MB takes as long to get as the operation that fills it,
 * and JavaScript frees arrays late, so that without this several steps of training would lie in memory at once.
 *
 * A block goes by its ArrayBuffer and is counted: each tensor over it, or over a part of it, is one user. It is free
 * when the last user has gone.
 */
export class Blocks {
  private readonly users = new Map<ArrayBufferLike, number>();
  /** Free blocks by size in bytes, the least recently used first. */
  private readonly free = new Map<number, ArrayBufferLike[]>();
  private bytesInUse = 0;
  private mostInUse = 0;
  private bytesFree = 0;

  /** An array of any content. It is the caller's until its first user has come and the last has gone. */
  take(length: number): Float32Array<ArrayBuffer> {
    if (length * 4 < SMALLEST) return new Float32Array(length);
    const size = sizeClass(length * 4);
    const buffer = this.takeFree(size) ?? Buffer.allocUnsafeSlow(size).buffer;
    this.users.set(buffer, 0);
    this.bytesInUse += size;
    this.mostInUse = Math.max(this.mostInUse, this.bytesInUse);
    this.trim();
    return new Float32Array(buffer as ArrayBuffer, 0, length);
  }

  owns(buffer: ArrayBufferLike): boolean {
    return this.users.has(buffer);
  }

  addUser(buffer: ArrayBufferLike): void {
    const count = this.users.get(buffer);
    if (count !== undefined) this.users.set(buffer, count + 1);
  }

  removeUser(buffer: ArrayBufferLike): void {
    const count = this.users.get(buffer);
    if (count === undefined) return;
    if (count > 1) {
      this.users.set(buffer, count - 1);
      return;
    }
    this.users.delete(buffer);
    const size = buffer.byteLength;
    this.bytesInUse -= size;
    this.bytesFree += size;
    const sameSize = this.free.get(size) ?? [];
    sameSize.push(buffer);
    this.free.delete(size); // so that the sizes are in the order of their last use
    this.free.set(size, sameSize);
    this.trim();
  }

  /** Bytes that tensors lie in, those kept for the next ones, and the most that tensors lay in at once. */
  memory(): { inUse: number; free: number; mostInUse: number } {
    return { inUse: this.bytesInUse, free: this.bytesFree, mostInUse: this.mostInUse };
  }

  private takeFree(size: number): ArrayBufferLike | undefined {
    const sameSize = this.free.get(size);
    const buffer = sameSize?.pop();
    if (sameSize?.length === 0) this.free.delete(size);
    if (buffer) this.bytesFree -= size;
    return buffer;
  }

  /** Leaves to JavaScript what is kept beyond the most that was needed at once. */
  private trim(): void {
    for (const size of this.free.keys()) {
      while (this.bytesInUse + this.bytesFree > this.mostInUse * (1 + SPARE)) if (!this.takeFree(size)) break;
    }
  }
}

/** The next of eight steps per power of two, so that tensors of almost one size share blocks: at most an eighth is lost. */
function sizeClass(bytes: number): number {
  const step = 2 ** Math.max(12, Math.floor(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}
